#!lua flags=allow-oom
-- Take results that are due for another try. If the process that takes them dies, they are found later by their age.
-- ARGV: how many at most. Returns how many were taken, and the entries of those that are still in the outbox.
local limit = unpack(ARGV, 1, 1)
local now = redis.call('TIME')
local ids = redis.call('ZRANGEBYSCORE', 'umpire:outbox:due', '-inf', now[1] * 1000 + math.floor(now[2] / 1000),
  'LIMIT', 0, limit)
local out = {}
for _, id in ipairs(ids) do
  redis.call('ZREM', 'umpire:outbox:due', id)
  -- pcall: a member that is not an entry id (only a newer version writes one) must not fail the others.
  local entry = redis.pcall('XRANGE', 'umpire:outbox', id, id)
  if not entry.err then out[#out + 1] = entry[1] end
end
return { #ids, out }
