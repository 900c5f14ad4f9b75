#!lua flags=allow-oom
-- Holds of one provider, or of one of its models. A hold is raised by a call that was refused for a fault of the
-- account, and lifted by a probe that succeeds; a manual hold is set and ended by an operator, or ends at a set time.
--
-- ARGV: operation, provider, model ('' for the whole provider), then the operation's own arguments:
--   raise     reason, error code, duration of the call (ms), mark, prober if the call was a probe (else ''), ms until
--             the first probe, ms between probes. The mark is what this returned when the same request raised the
--             hold before ('': it did not). Returns {outcome, mark}. Outcomes: 'held'; 'stale' - the call began before
--             the last hold was lifted, and proves nothing; 'own' - another request succeeded since this one raised the
--             hold, so the fault is this request's own, and no hold is raised.
--   lease     prober, ms. Leases the probe. Returns 1, or 0 if no probe is due.
--   settle    prober, outcome (success, failure, none), ms between probes. Returns 1 if it lifted the hold.
--   pause     ms (0: until `resume`), the operator's text. Sets a manual hold.
--   resume    Ends the manual hold, and makes the probe of an automatic one due. Returns {was manual, reason or ''}.
--   announce  state. Returns 1 to the first caller that announces this state, 0 to others.
local operation, provider, model = unpack(ARGV, 1, 3)
local key = 'umpire:hold:' .. provider .. (model ~= '' and ':' .. model or '')
local models = 'umpire:holds:' .. provider
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local h = redis.call('HMGET', key, 'reason', 'paused', 'until', 'began', 'total', 'lifts', 'lifted', 'probe', 'owner', 'lease')
local reason, paused, ends = h[1], h[2], tonumber(h[3] or '') or 0
local began, total = tonumber(h[4] or ''), tonumber(h[5] or '') or 0
local lifts, lifted = tonumber(h[6] or '') or 0, tonumber(h[7] or '') or 0
local probe, owner, lease = tonumber(h[8] or '') or 0, h[9], tonumber(h[10] or '') or 0

-- Once neither hold remains, adds up the time on hold.
local function ended(at)
  if began and not reason and not paused then
    redis.call('HSET', key, 'total', total + math.max(0, at - began))
    redis.call('HDEL', key, 'began')
    began = nil
  end
end

local function begins()
  if not began then
    began = now
    redis.call('HSET', key, 'began', now)
  end
end

if paused and ends > 0 and ends <= now then
  paused = false
  redis.call('HDEL', key, 'paused', 'until', 'text')
  ended(ends)
end

if operation == 'raise' then
  local why, code, took_ms, mark, prober, first_ms, between_ms = unpack(ARGV, 4, 10)
  mark = tonumber(mark)
  if now - took_ms < lifted then return {'stale', lifts} end
  redis.call('HSET', 'umpire:breaker:' .. provider, 'last_error', code)
  -- The probe was made, whatever its refusal means; also if Redis did not answer at first and the lease is gone by now.
  if reason and prober ~= '' and (not owner or owner == prober) then
    redis.call('HDEL', key, 'owner', 'lease')
    redis.call('HSET', key, 'probe', now + between_ms)
  end
  if mark and lifts > mark then return {'own', lifts} end
  if not reason then
    redis.call('HSET', key, 'since', now, 'probe', now + first_ms)
    if model ~= '' then redis.call('SADD', models, model) end
  end
  redis.call('HSET', key, 'reason', why)
  begins()
  return {'held', lifts}
end

if operation == 'lease' then
  local prober, lease_ms = unpack(ARGV, 4, 5)
  if not reason or paused or now < probe or (owner and now < lease) then return 0 end
  redis.call('HSET', key, 'owner', prober, 'lease', now + lease_ms)
  return 1
end

if operation == 'settle' then
  local prober, outcome, between_ms = unpack(ARGV, 4, 6)
  -- A success counts even if another process holds the lease by now: the account works.
  if outcome == 'success' and reason then
    reason = false
    redis.call('HSET', key, 'lifts', lifts + 1, 'lifted', now)
    redis.call('HDEL', key, 'reason', 'since', 'probe', 'owner', 'lease')
    if model ~= '' then redis.call('SREM', models, model) end
    ended(now)
    return 1
  end
  if owner and owner == prober then
    redis.call('HDEL', key, 'owner', 'lease')
    if outcome == 'failure' then redis.call('HSET', key, 'probe', now + between_ms) end
  end
  return 0
end

if operation == 'pause' then
  local length_ms, text = unpack(ARGV, 4, 5)
  length_ms = tonumber(length_ms)
  redis.call('HSET', key, 'paused', now, 'until', length_ms > 0 and now + length_ms or 0, 'text', text)
  begins()
  return 1
end

if operation == 'resume' then
  local was = paused and 1 or 0
  paused = false
  redis.call('HDEL', key, 'paused', 'until', 'text')
  if reason then redis.call('HSET', key, 'probe', now) end
  ended(now)
  return {was, reason or ''}
end

if operation == 'announce' then
  local state = unpack(ARGV, 4, 4)
  if (redis.call('HGET', key, 'told') or '') == state then return 0 end
  redis.call('HSET', key, 'told', state)
  return 1
end

return redis.error_reply('unknown operation ' .. operation)
