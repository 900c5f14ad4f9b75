#!lua flags=allow-oom
-- Runs when Redis is out of memory too: without it, what is paid would be lost.
-- Give requests back, or push their message again.
-- ARGV: owner, then for each: queue id, state it must be in ('processing': and leased by owner), list, message,
--       'front' (it keeps its turn) or 'back', tries to add, ms before which it must not run (0: at once), what it has
--       spent so far ('': as before), number of the claim ('': any).
-- The number tells one claim from another of the same worker: it may have stood still, or repeat this for want of an
-- answer, and have claimed the request again.
-- Returns how many were changed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner, changed = ARGV[1], 0
for i = 2, #ARGV, 9 do
  local id, state, list, message = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local tries, delay = tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6])
  local key = 'umpire:req:' .. id
  local r = redis.call('HMGET', key, 's', 'o', 'p', 'u', 'c')
  local fence = ARGV[i + 8]
  if r[1] == state and (state ~= 'processing' or (r[2] == owner and (fence == '' or r[5] == fence))) then
    changed = changed + 1
    redis.call('ZREM', 'umpire:leases', id)
    redis.call('HDEL', key, 'o')
    if ARGV[i + 7] ~= '' then redis.call('HSET', key, 'x', ARGV[i + 7]) end
    if tries > 0 then redis.call('HINCRBY', key, 't', tries) end
    if delay > 0 then
      redis.call('HSET', key, 's', 'deferred')
      redis.call('ZADD', 'umpire:deferred:' .. r[3], now + delay, id)
    else
      -- In front it keeps the time of its first push, so that the list stays ordered by it.
      local pushed = ARGV[i + 4] == 'front' and tonumber(r[4]) or now
      redis.call('HSET', key, 's', 'queued', 'u', pushed)
      redis.call('ZREM', 'umpire:deferred:' .. r[3], id)
      redis.call('ZADD', 'umpire:queued:' .. r[3], pushed, id)
      redis.call(ARGV[i + 4] == 'front' and 'RPUSH' or 'LPUSH', list, message)
    end
  end
end
return changed
