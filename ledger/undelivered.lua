#!lua flags=allow-oom
-- Results that Kafka did not take: each waits for another try, or, refused for good, goes from the outbox to the dead
-- letters. Nothing is added but names, so it may run when Redis is out of memory.
-- ARGV: most dead letters, ms until another try, then for each: entry id, Kafka's reason, ms from its first being told
--       after which it is for good (0: at once, -1: never). Not from the entry's own time: after an hour without Kafka, all
--       are old when a topic is still about to be made.
-- Returns for each: {'gone'} - delivered or moved meanwhile; {'waits'}; {'full'} - it waits since the dead letters are as
--       many as may be; {'dead', queue id, topic, key, event}.
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local most, again = tonumber(ARGV[1]), ms + tonumber(ARGV[2])
local out = {}
for n = 3, #ARGV, 3 do
  local entry, patience = ARGV[n], tonumber(ARGV[n + 2])
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
    redis.call('HSET', 'umpire:dead:' .. f.i, 't', f.t, 'k', f.k, 'e', f.e, 'r', ARGV[n + 1])
    redis.call('ZADD', 'umpire:dead', ms, f.i)
    redis.call('XDEL', 'umpire:outbox', entry)
    redis.pcall('DECRBY', 'umpire:bytes', #f.e)  -- a sum: keeps nothing from its place
    redis.call('ZREM', 'umpire:outbox:due', entry)
    redis.call('ZREM', 'umpire:outbox:doubted', entry)
    out[#out + 1] = { 'dead', f.i, f.t, f.k, f.e }
  end
end
return out
