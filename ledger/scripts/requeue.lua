#!lua flags=allow-oom
-- allow-oom: without this script, attempts already paid for would be lost.
-- Release or defer requests, or push their message again.
-- ARGV: owner, then for each: queue id, state it must be in ('processing': and leased by owner), list, message,
--       'front' (it keeps its turn) or 'back', tries to add, ms for which to defer it (0: queue it at once), attempts
--       and cost so far ('': unchanged), number of the claim ('': any), model whose hold must end first ('': none; else
--       the request is deferred, and that time does not count towards its time to live).
-- The number distinguishes claims of the same worker: after it was suspended, or when it repeats this call for want of
-- an answer, it may have claimed the request again.
-- Returns how many requests were changed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner = unpack(ARGV, 1, 1)
local changed = 0
for i = 2, #ARGV, 10 do
  local id, state, list, message, place, tries, delay, spent, fencing_token, model = unpack(ARGV, i, i + 9)
  tries, delay = tonumber(tries), tonumber(delay)
  local key = 'umpire:req:' .. id
  local r = redis.call('HMGET', key, 's', 'o', 'p', 'u', 'c', 'k')
  if r[1] == state and (state ~= 'processing' or (r[2] == owner and (fencing_token == '' or r[5] == fencing_token))) then
    changed = changed + 1
    -- If that hold has ended meanwhile, queue the request at once.
    if model ~= '' and redis.call('SISMEMBER', 'umpire:holds:' .. r[3], model) == 0 then model, delay = '', 0 end
    if r[6] then
      local since, of = string.match(r[6], '^(%d+) (.*)$')
      if since then
        redis.call('HINCRBY', key, 'd', math.max(0, now - tonumber(since)))
        redis.call('ZREM', 'umpire:parked:' .. r[3] .. ':' .. of, id)
      end
      redis.call('HDEL', key, 'k')
    end
    redis.call('ZREM', 'umpire:leases', id)
    redis.call('HDEL', key, 'o')
    if spent ~= '' then redis.call('HSET', key, 'x', spent) end
    if tries > 0 then redis.call('HINCRBY', key, 't', tries) end
    if delay > 0 then
      redis.call('HSET', key, 's', 'deferred')
      redis.call('ZADD', 'umpire:deferred:' .. r[3], now + delay, id)
      if model ~= '' then
        redis.call('HSET', key, 'k', string.format('%d %s', now, model))
        redis.call('ZADD', 'umpire:parked:' .. r[3] .. ':' .. model, now, id)
      end
    else
      -- In front it keeps its old time of pushing, so that the list stays ordered by it.
      local pushed = place == 'front' and tonumber(r[4] or '') or now
      redis.call('HSET', key, 's', 'queued', 'u', pushed)
      redis.call('ZREM', 'umpire:deferred:' .. r[3], id)
      redis.call('ZADD', 'umpire:queued:' .. r[3], pushed, id)
      redis.call(place == 'front' and 'RPUSH' or 'LPUSH', list, message)
    end
  end
end
return changed
