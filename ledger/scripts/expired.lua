#!lua flags=allow-oom
-- Find requests past their time to live that no worker runs. Time on hold extends the time to live: such a request is
-- moved in umpire:expiry to its later end.
-- ARGV: ms that holds may add at most, how many records to look at, position of the first one, how many requests to
--       return at most, bytes of their bodies at most.
-- Returns the position at which to go on (-1: no more records), then for each expired request: queue id, reason of the
-- hold that it is in now (or '').
--@include ttl_extension
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most_added, scan, start, limit, max_bytes = unpack(ARGV, 1, 5)
most_added, scan, start = tonumber(most_added), tonumber(scan), tonumber(start)
limit, max_bytes = tonumber(limit), tonumber(max_bytes)
-- While a hold lasts, the time left does not shrink: look at the record again after this, in ms.
local AGAIN = 5000
local out = {-1}
while scan > 0 and #out <= limit and max_bytes > 0 do
  local ids = redis.call('ZRANGEBYSCORE', 'umpire:expiry', '-inf', now, 'WITHSCORES', 'LIMIT', start, math.min(scan, 500))
  if #ids == 0 then return out end
  scan = scan - #ids / 2
  for n = 1, #ids, 2 do
    local id, score = ids[n], tonumber(ids[n + 1])
    local key = 'umpire:req:' .. id
    local r = redis.call('HMGET', key, 's', 'p', 'n', 'e')
    -- Records of a newer version and damaged ones stay where they are.
    local ends = tonumber(r[4] or '')
    -- The score may be earlier than the record's end: its next look may have been brought forward.
    if ends then ends = math.min(ends, score) end
    if (r[1] == 'queued' or r[1] == 'deferred') and r[2] and ends and #out <= limit and max_bytes > 0 then
      local more, why = ttl_extension(key, r[2], now, most_added)
      if ends + more > now then
        redis.call('ZADD', 'umpire:expiry', math.max(ends + more, why and now + AGAIN or 0), id)
      else
        out[#out + 1] = {id, why or ''}
        max_bytes = max_bytes - (tonumber(r[3] or '') or 0)
        start = start + 1
      end
    else
      start = start + 1
    end
  end
end
out[1] = start
return out
