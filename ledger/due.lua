#!lua flags=allow-oom
-- Take results that are due for another try, whatever their age. Whoever takes them and dies leaves them to their age.
-- ARGV: how many at most. Returns how many were taken, and the entries of those that still stand in the outbox.
local now = redis.call('TIME')
local ids = redis.call('ZRANGEBYSCORE', 'umpire:outbox:due', '-inf', now[1] * 1000 + math.floor(now[2] / 1000),
  'LIMIT', 0, ARGV[1])
local out = {}
for _, id in ipairs(ids) do
  redis.call('ZREM', 'umpire:outbox:due', id)
  out[#out + 1] = redis.call('XRANGE', 'umpire:outbox', id, id)[1]
end
return { #ids, out }
