#!lua flags=allow-oom
-- Make parked requests (those that wait for their model's hold to end) due now, oldest first. Maintenance returns them
-- to their queue when it next looks for due deferrals.
-- ARGV: provider, model, how many at most, 1 if the hold has ended (they are no longer parked), else 0.
-- Returns how many there were.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local provider, model, limit, ended = unpack(ARGV, 1, 4)
local parked, deferred = 'umpire:parked:' .. provider .. ':' .. model, 'umpire:deferred:' .. provider
local ids = redis.call('ZRANGE', parked, 0, tonumber(limit) - 1)
for _, id in ipairs(ids) do
  if redis.call('ZSCORE', deferred, id) then
    redis.call('ZADD', deferred, now, id)
  end
  if ended == '1' then redis.call('ZREM', parked, id) end
end
return #ids
