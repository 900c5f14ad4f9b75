#!lua flags=allow-oom
-- allow-oom: without this script, attempts already paid for would be lost.
-- Heartbeat of one worker process.
-- ARGV: owner, lease in ms, provider, ms for which the worker counts as live, number of leases, for each lease: queue
--       id, number of its claim, ms for which it may be renewed at most; then queue ids of pointers that the worker has
--       fetched and not claimed yet (they wait for a slot, so they are not lost).
-- Returns two lists of positions (from 1) in the leases: those whose request has another claim or is queued or deferred
-- again, and those whose request has ended.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner, lease, provider, live, leases = unpack(ARGV, 1, 5)
local last = 5 + 3 * tonumber(leases)
lease = tonumber(lease)
local taken, ended = {}, {}
redis.call('ZREMRANGEBYSCORE', 'umpire:workers', '-inf', now)
redis.call('ZADD', 'umpire:workers', now + tonumber(live), provider .. '|' .. owner)
for i = 6, last, 3 do
  local id, fencing_token, most = unpack(ARGV, i, i + 2)
  local r, place = redis.call('HMGET', 'umpire:req:' .. id, 's', 'o', 'c'), (i - 3) / 3
  if r[1] == 'processing' and r[2] == owner and r[3] == fencing_token then
    redis.call('ZADD', 'umpire:leases', now + math.min(lease, tonumber(most)), id)
  elseif r[1] == 'processing' or r[1] == 'queued' or r[1] == 'deferred' then
    taken[#taken + 1] = place
  else
    ended[#ended + 1] = place
  end
end
-- Kept apart from umpire:queued, whose scores must stay the times of pushing: lost.lua finds lost pointers by them.
local fetched = 'umpire:fetched:' .. provider
for i = last + 1, #ARGV do redis.call('ZADD', fetched, now, ARGV[i]) end
if #ARGV > last then
  redis.call('ZREMRANGEBYSCORE', fetched, '-inf', now - 120000)
  redis.call('EXPIRE', fetched, 120)
end
return {taken, ended}
