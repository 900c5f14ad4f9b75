#!lua flags=allow-oom
-- Requests that wait for their model's hold to end are due now, the oldest first. Those that are due go back to their queue
-- with the next look for deferred requests.
-- ARGV: provider, model, how many at most, 1 where the hold has ended (they no longer wait for it), else 0.
-- Returns how many there were.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local parked, deferred = 'umpire:parked:' .. ARGV[1] .. ':' .. ARGV[2], 'umpire:deferred:' .. ARGV[1]
local ids = redis.call('ZRANGE', parked, 0, tonumber(ARGV[3]) - 1)
for _, id in ipairs(ids) do
  if redis.call('ZSCORE', deferred, id) then
    redis.call('ZADD', deferred, now, id)
  end
  if ARGV[4] == '1' then redis.call('ZREM', parked, id) end
end
return #ids
