#!lua flags=allow-oom
-- Dead letters go back to the outbox, the same event to its topic or another, and are due at once.
-- ARGV: the other topic, or empty; then queue ids. Returns for each 1, or 0 where there is no such dead letter.
local topic, out = ARGV[1], {}
for n = 2, #ARGV do
  local id = ARGV[n]
  local r = redis.call('HMGET', 'umpire:dead:' .. id, 't', 'k', 'e')
  if r[1] and r[2] and r[3] then
    local entry = redis.call('XADD', 'umpire:outbox', '*', 'i', id, 't', topic ~= '' and topic or r[1], 'k', r[2],
      'e', r[3])
    redis.pcall('INCRBY', 'umpire:bytes', #r[3])  -- a sum: keeps nothing from its place
    redis.call('ZADD', 'umpire:outbox:due', 0, entry)
    redis.call('DEL', 'umpire:dead:' .. id)
    redis.call('ZREM', 'umpire:dead', id)
  end
  out[#out + 1] = r[1] and r[2] and r[3] and 1 or 0
end
return out
