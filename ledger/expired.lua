#!lua flags=allow-oom
-- Requests past their time to live that no worker runs. Those that were on hold meanwhile have more time: the next look at
-- each is put off until then.
-- ARGV: ms that holds may add at most, how many records to look at, how many to return, bytes of bodies to return.
-- Returns for each that is late: queue id, the hold that it is in now (or '').
--@include held_time
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, look, count, bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
-- While the hold goes on, the time left stays the same: not looked at more often than this, in ms.
local AGAIN = 5000
local out, start = {}, 0
while look > 0 and #out < count and bytes > 0 do
  local ids = redis.call('ZRANGEBYSCORE', 'umpire:expiry', '-inf', now, 'WITHSCORES', 'LIMIT', start, math.min(look, 500))
  if #ids == 0 then break end
  look = look - #ids / 2
  for n = 1, #ids, 2 do
    local id, score = ids[n], tonumber(ids[n + 1])
    local key = 'umpire:req:' .. id
    local r = redis.call('HMGET', key, 's', 'p', 'n', 'e')
    -- Records that this does not understand, of a newer version or damaged, stay where they are.
    local ends = tonumber(r[4] or '')
    -- Its place among the others is when it is looked at next; it may have been brought forward.
    if ends then ends = math.min(ends, score) end
    if (r[1] == 'queued' or r[1] == 'deferred') and r[2] and ends and #out < count and bytes > 0 then
      local more, why = extension(key, r[2], now, most)
      if ends + more > now then
        redis.call('ZADD', 'umpire:expiry', math.max(ends + more, why and now + AGAIN or 0), id)
      else
        out[#out + 1] = {id, why or ''}
        bytes = bytes - (tonumber(r[3] or '') or 0)
        start = start + 1
      end
    else
      start = start + 1
    end
  end
end
return out
