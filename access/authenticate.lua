#!lua flags=allow-oom
-- Runs when Redis is out of memory too: rate limits apply then as well. It writes one number for each key.
-- Looks up API keys, and charges each of them requests of its rate.
-- ARGV: names of the fields to return, divided by blanks; how many requests to charge; then for each request: key id, SHA-256 of the key that was
-- presented.
-- Returns for each request: false if there is no such key; else one string (clients read that fastest), divided by NUL:
-- "<1 if its rate allows the requests> <requests that are left> <µs until there is one more, or enough>", and the
-- fields.
--
-- The rate is a leaky bucket that holds a minute's worth (GCRA, ITU-T I.371). `tat`, the theoretical arrival time, is
-- when it would be full again. So a minute's worth may come at once, and over any longer time no more than the rate.
-- Refused requests are not charged. Neither is a request with the right id but a wrong secret: otherwise a caller who has
-- seen a key's id could use up its rate.
local WINDOW = 60000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function charge(id, rate, requests)
  local key, interval = 'umpire:rate:' .. id, WINDOW / rate
  local tat = math.max(now, tonumber(redis.call('GET', key) or '') or 0)
  -- A time this far ahead was written before the clock was set back.
  if tat > now + 2 * WINDOW then tat = now end
  local granted = tat + requests * interval <= now + WINDOW
  if granted then
    tat = tat + requests * interval
    redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
  end
  local free = now + WINDOW - tat
  local left = math.max(0, math.floor(free / interval))
  return granted and 1 or 0, left, math.max(1, math.ceil((granted and left + 1 or requests) * interval - free))
end

local names, requests = unpack(ARGV, 1, 2)
requests = tonumber(requests)
local fields, at = {}, {}
for field in string.gmatch(names, '%S+') do
  fields[#fields + 1] = field
  at[field] = #fields
end

local out = {}
for i = 3, #ARGV, 2 do
  local id, hash = unpack(ARGV, i, i + 1)
  local key = redis.call('HMGET', 'umpire:apikey:' .. id, unpack(fields))
  if not key[at.hash] then
    out[#out + 1] = false
  else
    for n = 1, #fields do key[n] = key[n] or '' end
    local rate = '1 0 0'
    -- A rate that only a newer version can read counts as no limit: it must not fail the other requests of this call.
    local per_minute = tonumber(key[at.rate])
    if key[at.hash] == hash and key[at.revoked] == '' and per_minute and per_minute > 0 then
      rate = string.format('%d %d %d', charge(id, per_minute, requests))
    end
    out[#out + 1] = rate .. '\0' .. table.concat(key, '\0')
  end
end
return out
