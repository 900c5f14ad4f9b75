#!lua flags=allow-oom
-- Results that Kafka did not take: each is due for another try or, if refused for good, moves from the outbox to the
-- dead letters. allow-oom: events only move; little more than key names is added.
-- ARGV: most dead letters, ms until another try, then for each: entry id, Kafka's reason, ms after its first such
--       report at which the refusal is final (0: at once, -1: never). These do not count from the entry's creation:
--       after an hour without Kafka all entries are old, while a topic may be about to be created.
-- Returns for each: {'gone'} - delivered or moved meanwhile; {'waits'} - due again later; {'full'} - due again later,
--       because there is no room for more dead letters; {'dead', queue id, topic, key, event} - now a dead letter.
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local most, again = unpack(ARGV, 1, 2)
most, again = tonumber(most), ms + tonumber(again)
local out = {}
for n = 3, #ARGV, 3 do
  local entry, reason, patience = unpack(ARGV, n, n + 2)
  patience = tonumber(patience)
  local row = redis.call('XRANGE', 'umpire:outbox', entry, entry)[1]
  local since, f = ms, {}
  for i = 1, row and #row[2] or 0, 2 do f[row[2][i]] = row[2][i + 1] end
  if row and patience > 0 then
    redis.call('ZADD', 'umpire:outbox:doubted', 'NX', ms, entry)
    since = tonumber(redis.call('ZSCORE', 'umpire:outbox:doubted', entry))
  end
  if not row then
    out[#out + 1] = { 'gone' }
  elseif patience < 0 or ms - since < patience or not (f.i and f.t and f.k and f.e) then
    redis.call('ZADD', 'umpire:outbox:due', again, entry)
    out[#out + 1] = { 'waits' }
  elseif redis.call('ZCARD', 'umpire:dead') >= most then
    redis.call('ZADD', 'umpire:outbox:due', again, entry)
    out[#out + 1] = { 'full' }
  else
    redis.call('HSET', 'umpire:dead:' .. f.i, 't', f.t, 'k', f.k, 'e', f.e, 'r', reason)
    redis.call('ZADD', 'umpire:dead', ms, f.i)
    redis.call('XDEL', 'umpire:outbox', entry)
    redis.pcall('DECRBY', 'umpire:bytes', #f.e)  -- pcall: a damaged sum must not stop the move
    redis.call('ZREM', 'umpire:outbox:due', entry)
    redis.call('ZREM', 'umpire:outbox:doubted', entry)
    out[#out + 1] = { 'dead', f.i, f.t, f.k, f.e }
  end
end
return out
