-- A provider's circuit breaker, one for all workers. All times are of Redis' clock: workers' clocks do not matter.
--
-- ARGV: operation, provider, then the operation's own arguments.
--   report  successes, their mean duration (ms, 0: unknown), volume (failures), window (ms), recovery (ms), error code
--           of the last failure (or ''), then the duration (ms) of each failed call
--   lease   prober, lease (ms)
--   settle  prober, outcome (success, failure, none), duration of the call (ms, 0: unknown), recovery (ms), successes
--           needed, error code (or '')
-- Returns {state, since (ms), ms until a probe may start, failures that opened it (or 0), code of the last one (or '')}
-- if the operation changed the state. Otherwise nil, or {state} for a report while the breaker is not closed.
--
-- A report counts while the breaker is closed. While it is open or half-open, a report updates the statistics only: its
-- calls began before the breaker opened, and neither keep it open for longer nor close it. The clock ends `open`, the
-- probe ends `half_open`. For the same reason a failure whose call began before the last change of state does not count
-- after it: calls that hung while the provider was down must not open the breaker again after it recovered.

local operation, provider = unpack(ARGV, 1, 2)
local breaker = 'umpire:breaker:' .. provider
local window = breaker .. ':window'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local SLOTS = 20       -- parts of the window: its memory, and its precision
local WEIGHT = 0.1     -- weight of one call in the moving average of response times
local IN_A_ROW = 4     -- times the volume: this many failures without a success open the breaker, whatever the window
                       -- holds; after a busy minute of successes the window alone would need as many failures

local held = redis.call('HMGET', breaker, 'state', 'since', 'until', 'owner', 'lease', 'average')
local state = held[1] or 'closed'
-- A state that only a newer version knows counts as half-open: a probe ends it.
if state ~= 'closed' and state ~= 'open' then state = 'half_open' end
local since = tonumber(held[2] or '') or 0
local opens = tonumber(held[3] or '') or 0
local owner = held[4]
local lease = tonumber(held[5] or '') or 0
local average = tonumber(held[6] or '') or -1

local function change(to, wait, failures, code)
  wait = tonumber(wait)
  redis.call('HSET', breaker, 'state', to, 'since', now, 'until', now + wait)
  redis.call('HDEL', breaker, 'owner', 'lease', 'successes', 'row')
  return {to, now, wait, failures or 0, code or ''}
end

-- `mean` is 0 if unknown: sometimes it is known that a probe was answered, but not how fast.
local function succeeded(count, mean)
  redis.call('HSET', breaker, 'last_success', now)
  if mean > 0 then
    local kept = (1 - WEIGHT) ^ count
    local moved = average < 0 and mean or kept * average + (1 - kept) * mean
    redis.call('HSET', breaker, 'average', string.format('%.3f', moved))
  end
end

local function failed(count)
  redis.call('HSET', breaker, 'last_failure', now)
  redis.call('HINCRBY', breaker, 'failures', count)
end

-- Adds to the window's current slot, drops slots that are too old, and returns the sums.
local function count(failures, successes, length)
  local slot = math.floor(now * SLOTS / length)
  if failures > 0 then redis.call('HINCRBY', window, 'f' .. slot, failures) end
  if successes > 0 then redis.call('HINCRBY', window, 's' .. slot, successes) end
  redis.call('PEXPIRE', window, length)
  local sums = {f = 0, s = 0}
  local slots = redis.call('HGETALL', window)
  for i = 1, #slots, 2 do
    local kind, number, amount = string.sub(slots[i], 1, 1), tonumber(string.sub(slots[i], 2)), tonumber(slots[i + 1])
    if not (sums[kind] and number and amount) then
      -- From a newer version: left alone. The whole window expires in time.
    elseif slot - number >= SLOTS or slot < number then
      redis.call('HDEL', window, slots[i])
    else
      sums[kind] = sums[kind] + amount
    end
  end
  return sums.f, sums.s
end

if operation == 'report' then
  local successes, mean_ms, volume, window_ms, recovery_ms, code = unpack(ARGV, 3, 8)
  successes, volume = tonumber(successes), tonumber(volume)
  local failures = 0
  for i = 9, #ARGV do
    if now - tonumber(ARGV[i]) >= since then failures = failures + 1 end
  end
  if successes > 0 then
    succeeded(successes, tonumber(mean_ms))
    if state == 'closed' then redis.call('HSET', breaker, 'failures', 0) end
  end
  if #ARGV >= 9 then
    failed(#ARGV - 8)
    redis.call('HSET', breaker, 'last_error', code)
  end
  if state ~= 'closed' then return {state} end
  local row = 0
  if successes > 0 then
    -- The order of a report's calls is unknown: with a success among them, the row of failures ends, and none begins.
    redis.call('HDEL', breaker, 'row')
  elseif failures > 0 then
    row = redis.call('HINCRBY', breaker, 'row', failures)
  end
  local bad, good = count(failures, successes, tonumber(window_ms))
  if failures > 0 and bad >= volume and (bad >= good or row >= IN_A_ROW * volume) then
    return change('open', recovery_ms, bad, code)
  end
  return nil
end

if operation == 'lease' then
  local prober, lease_ms = unpack(ARGV, 3, 4)
  if state == 'closed' or now < opens then return nil end
  if owner and now < lease then return nil end
  if state == 'open' then change('half_open', 0) end
  redis.call('HSET', breaker, 'owner', prober, 'lease', now + lease_ms)
  return {'half_open', state == 'open' and now or since, 0, 0, ''}
end

if operation == 'settle' then
  local prober, outcome, took_ms, recovery_ms, needed, code = unpack(ARGV, 3, 8)
  -- A probe whose lease was given to another one no longer counts. One whose lease merely ran out still does.
  if state ~= 'half_open' or owner ~= prober then return nil end
  redis.call('HDEL', breaker, 'owner', 'lease')
  if outcome == 'failure' then
    failed(1)
    redis.call('HSET', breaker, 'last_error', code)
    return change('open', recovery_ms, 1, code)
  end
  if outcome == 'success' then
    succeeded(1, tonumber(took_ms))
    redis.call('HSET', breaker, 'failures', 0)
    if redis.call('HINCRBY', breaker, 'successes', 1) >= tonumber(needed) then
      redis.call('DEL', window)
      return change('closed', 0)
    end
  end
  return nil
end

return redis.error_reply('unknown operation ' .. operation)
