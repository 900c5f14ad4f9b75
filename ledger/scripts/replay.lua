#!lua flags=allow-oom
-- Move dead letters back to the outbox, due at once, with the same event, for their own topic or another one.
-- ARGV: the other topic, or ''; then queue ids. Returns 1 for each, or 0 if there is no such dead letter.
local topic = unpack(ARGV, 1, 1)
local out = {}
for n = 2, #ARGV do
  local id = ARGV[n]
  local r = redis.call('HMGET', 'umpire:dead:' .. id, 't', 'k', 'e')
  if r[1] and r[2] and r[3] then
    local entry = redis.call('XADD', 'umpire:outbox', '*', 'i', id, 't', topic ~= '' and topic or r[1], 'k', r[2],
      'e', r[3])
    redis.pcall('INCRBY', 'umpire:bytes', #r[3])  -- pcall: a damaged sum must not stop the replay
    redis.call('ZADD', 'umpire:outbox:due', 0, entry)
    redis.call('DEL', 'umpire:dead:' .. id)
    redis.call('ZREM', 'umpire:dead', id)
  end
  out[#out + 1] = r[1] and r[2] and r[3] and 1 or 0
end
return out
