#!lua flags=allow-oom
-- Shares the adaptive limits of one provider among its worker processes. Each reports a few times a second. All times
-- are of Redis' clock. Runs when Redis is out of memory too: its data does not grow.
--
-- ARGV: operation, provider, then the operation's own arguments.
--   report  process, ms after which a silent process is dropped, ms between two updates of the limits, its row; then
--           pairs of a name and an amount to add up, or of a name that begins with '=' and a text to keep
--           Returns {now (ms), the limits, rows, turn, sums}: rows are pairs of a process and its row. `turn` is nil,
--           or the ms since the last update: then this process has to update the limits. `sums` are the sums of all
--           reports since that update (pairs); they start again from zero.
--   keep    time of the report that returned `turn` (ms), the limits, ms to keep them. Stores the limits, unless
--           another process has got a turn since
--   leave   process

local operation, provider = unpack(ARGV, 1, 2)
local key = 'umpire:adapt:' .. provider
local rows, sums = key .. ':rows', key .. ':sums'

if operation == 'leave' then
  local process = unpack(ARGV, 3, 3)
  return redis.call('HDEL', rows, process)
end

if operation == 'keep' then
  local reported, limits, keep_ms = unpack(ARGV, 3, 5)
  if redis.call('HGET', key, 'looked') ~= reported then return 0 end
  redis.call('HSET', key, 'limits', limits)
  for _, each in ipairs({key, rows, sums}) do redis.call('PEXPIRE', each, keep_ms) end
  return 1
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local process, missed_ms, between_ms, row = unpack(ARGV, 3, 6)
missed_ms, between_ms = tonumber(missed_ms), tonumber(between_ms)

for i = 7, #ARGV, 2 do
  if string.sub(ARGV[i], 1, 1) == '=' then
    redis.call('HSET', sums, ARGV[i], ARGV[i + 1])
  else
    redis.call('HINCRBYFLOAT', sums, ARGV[i], ARGV[i + 1])
  end
end
redis.call('HSET', rows, process, string.format('%d %s', now, row))

local held = redis.call('HGETALL', rows)
local alive = {}
for i = 1, #held, 2 do
  local seen, reported_row = string.match(held[i + 1], '^(%d+) (.*)$')
  if not seen then
    -- A row in the format of a newer version: left alone.
  elseif now - tonumber(seen) > missed_ms then
    redis.call('HDEL', rows, held[i])
  else
    alive[#alive + 1] = held[i]
    alive[#alive + 1] = reported_row
  end
end

local looked = tonumber(redis.call('HGET', key, 'looked') or '') or 0
local limits = redis.call('HGET', key, 'limits') or ''
if now - looked < between_ms then return {now, limits, alive} end
redis.call('HSET', key, 'looked', string.format('%d', now))
local since = redis.call('HGETALL', sums)
redis.call('DEL', sums)
return {now, limits, alive, looked == 0 and between_ms or now - looked, since}
