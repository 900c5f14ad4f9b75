-- A provider asked for a pause: keep this one, or the one that it asked for before, whichever ends later.
--
-- ARGV: provider, length (ms), how long after its end the key is kept (ms). Returns the ms until the pause ends.
-- The length is stored beside the end: each worker opens its gate a little after the end, by a share of the length.

local provider, length_ms, slack_ms = unpack(ARGV, 1, 3)
local key = 'umpire:gate:' .. provider
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local held = redis.call('GET', key)
local ends = held and tonumber(string.match(held, '^%d+')) or 0
if now + length_ms > ends then
  ends = now + length_ms
  redis.call('SET', key, string.format('%d %d', ends, length_ms), 'PX', length_ms + slack_ms)
end
return ends - now
