-- Time on hold does not count towards a request's time to live. Scripts that need this include this file.

-- How long a provider has been on hold in total, in ms, and why it is on hold now (nil: it is not).
-- guard/hold.lua writes the hash. It writes nothing when a manual hold reaches its end, so that is computed here.
local function time_on_hold(provider, now)
  local h = redis.pcall('HMGET', 'umpire:hold:' .. provider, 'total', 'began', 'reason', 'paused', 'until')
  if h.err then return 0, nil end
  local total, began = tonumber(h[1] or '') or 0, tonumber(h[2] or '')
  if not began then return total, nil end
  local ends, why = now, h[4] and 'manual' or h[3] or nil
  local until_ms = tonumber(h[5] or '') or 0
  if h[4] and until_ms > 0 and until_ms <= now then
    why = h[3] or nil
    if not why then ends = until_ms end
  end
  return total + math.max(0, ends - began), why
end

-- By how many ms (at most `most`) holds extend a record's time to live, and why its provider or model is on hold now
-- (nil: it is not). A record without 'h' has a time to live set by its caller: holds do not extend it.
local function ttl_extension(key, provider, now, most)
  local r = redis.call('HMGET', key, 'h', 'k', 'd')
  local held, why = time_on_hold(provider, now)
  local parked = tonumber(r[3] or '') or 0
  if r[2] then
    parked = parked + math.max(0, now - (tonumber(string.match(r[2], '^%d+') or '') or now))
    why = why or 'misconfigured'
  end
  local before = tonumber(r[1] or '')
  if not before then return 0, why end
  return math.min(most, math.max(0, held - before) + parked), why
end
