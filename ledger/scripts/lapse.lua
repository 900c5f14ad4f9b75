#!lua flags=allow-oom
-- allow-oom: without this script, attempts already paid for would be lost.
-- Return requests whose lease lapsed to their queue.
-- ARGV: name of the calling process, lapses at which a request fails, lease in ms, then for each: queue id, list,
--       message.
-- Returns the ids of those that lapsed too often: they are leased to the calling process, which ends them.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local custodian, limit, lease = unpack(ARGV, 1, 3)
limit, lease = tonumber(limit), tonumber(lease)
local poison = {}
for i = 4, #ARGV, 3 do
  local id, list, message = unpack(ARGV, i, i + 2)
  local key = 'umpire:req:' .. id
  local ends = redis.call('ZSCORE', 'umpire:leases', id)
  local r = redis.call('HMGET', key, 's', 'p', 'u')
  if r[1] ~= 'processing' then
    redis.call('ZREM', 'umpire:leases', id)
  elseif ends and tonumber(ends) <= now then
    if redis.call('HINCRBY', key, 'l', 1) >= limit then
      redis.call('HSET', key, 'o', custodian)
      redis.call('ZADD', 'umpire:leases', now + lease, id)
      poison[#poison + 1] = id
    else
      redis.call('HSET', key, 's', 'queued')
      redis.call('HDEL', key, 'o')
      redis.call('ZREM', 'umpire:leases', id)
      redis.call('ZADD', 'umpire:queued:' .. r[2], tonumber(r[3] or '') or now, id)
      -- In front, and with its old time of pushing: it was first in line when it was claimed.
      redis.call('RPUSH', list, message)
    end
  end
end
return poison
