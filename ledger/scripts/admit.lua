-- Admit requests: the record and its Celery message exist together or not at all.
-- ARGV: four bounds of the ledger: most requests, most bytes, and the requests and bytes to which it must drain before
--       it accepts again; the share of the first two that one provider's requests may use; ms for which an idempotency
--       key is kept; key of the day's spending; then four for each request: its short fields, its body, its message,
--       and the time (ms) after which it must not be admitted (0: no limit).
-- Short fields, in one argument (a separate one costs the API a microsecond or two), separated by blanks, '-' if empty:
--       queue id, provider, broker priority, list, time to live in ms, process that waits for the answer, owner, 1 if
--       the limits of owner and provider apply (0: accepted before, by the spool), hash of the idempotency key,
--       fingerprint of the request sent with that key (64 characters), 1 if time on hold counts towards the time to
--       live (because the caller set it; 0: it does not count).
-- Returns the time (ms) and how many requests the ledger holds, then one answer for each request:
--       0 or more: requests of its provider queued before it; -1 too many requests; -2 too many bytes; -3 its
--       idempotency key was used for another request; -4 too late; -5 its owner has too many unfinished requests; -6
--       its owner has reached its daily cost limit; -7 its provider's share is used up; a string: the queue id stored
--       for its key.
-- If an admit is repeated because its answer was lost, it finds its record and changes nothing.
--@include ttl_extension
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, most_bytes, low, low_bytes, share, keep_ms, spent_key = unpack(ARGV, 1, 7)
most, most_bytes, low, low_bytes = tonumber(most), tonumber(most_bytes), tonumber(low), tonumber(low_bytes)
share = tonumber(share)
-- The outbox counts as well: an hour without Kafka must not fill Redis.
local size = redis.call('ZCARD', 'umpire:expiry') + redis.call('XLEN', 'umpire:outbox')
local kept = redis.call('MGET', 'umpire:bytes', 'umpire:refusing')
local bytes, refusing = tonumber(kept[1] or '') or 0, kept[2] and true
if refusing and size <= low and bytes <= low_bytes then
  redis.call('DEL', 'umpire:refusing')
  refusing = false
end
local out = {now, size}

-- A sum that cannot be read, because its key is damaged, counts as 0, so that it refuses no request.
local function sum(key, field)
  local value = redis.pcall('HGET', key, field)
  return type(value) == 'string' and tonumber(value) or 0
end

-- The ledger's bounds, the same for all requests.
local function refused(incoming)
  if refusing then return size > low and -1 or -2 end
  local why = size + 1 > most and -1 or bytes + incoming > most_bytes and -2
  if why then
    redis.call('SET', 'umpire:refusing', 1)
    refusing = true
  end
  return why
end

-- A provider's unfinished requests and their bytes, bounded so that one provider's outage does not fill the ledger.
-- Each entry: requests, bytes (both with those admitted here), and requests and bytes that this script has admitted.
local held = {}
local function of(provider)
  if not held[provider] then
    held[provider] = {sum('umpire:held', provider), sum('umpire:held', provider .. '.bytes'), 0, 0}
  end
  return held[provider]
end
local function crowded(provider, incoming)
  if share >= 1 then return false end
  local now_held = of(provider)
  return (now_held[1] + 1 > share * most or now_held[2] + incoming > share * most_bytes) and -7
end

-- How long (ms) the provider has been on hold so far. Time on hold from now on does not count towards the time to live.
local on_hold = {}
local function held_before(provider)
  if not on_hold[provider] then on_hold[provider] = time_on_hold(provider, now) end
  return on_hold[provider]
end

-- The limits of the owner (an API key).
local function over(owner)
  local limits = redis.call('HMGET', 'umpire:apikey:' .. owner, 'queued', 'cost')
  local queued, cost = tonumber(limits[1] or ''), tonumber(limits[2] or '')
  if cost and sum(spent_key, owner) >= cost then return -6 end
  return queued and sum('umpire:owned', owner) >= queued and -5
end

local SHORT = '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$'
for i = 8, #ARGV, 4 do
  local short, body, message, latest = unpack(ARGV, i, i + 3)
  local id, provider, priority, list, ttl_ms, reply_to, owner, limited, idempotency_hash, fingerprint, strict =
    string.match(short, SHORT)
  latest = tonumber(latest)
  local key, queued = 'umpire:req:' .. id, 'umpire:queued:' .. provider
  local once = idempotency_hash ~= '-' and 'umpire:once:' .. idempotency_hash
  local before = once and redis.call('GET', once)
  if before and string.sub(before, 1, 64) ~= fingerprint then
    out[#out + 1] = -3
  elseif before and string.sub(before, 65) ~= id then
    out[#out + 1] = string.sub(before, 65)
  elseif redis.call('EXISTS', key) == 1 then
    out[#out + 1] = redis.call('ZRANK', queued, id) or 0
  elseif latest > 0 and now > latest then
    -- Redis ran this so late that the client has already been answered that its request was not accepted.
    out[#out + 1] = -4
  else
    local why = limited == '1' and (owner ~= '-' and over(owner) or crowded(provider, #body)) or refused(#body)
    if why then
      out[#out + 1] = why
    else
      local expires = now + tonumber(ttl_ms)
      -- All reads come before the first write: an error in between would leave half a record.
      local ahead, held_so_far = redis.call('ZCARD', queued), held_before(provider)
      redis.call('HSET', key, 's', 'queued', 'p', provider, 'q', priority, 'n', #body, 'e', expires,
        'r', reply_to == '-' and '' or reply_to, 't', 0, 'l', 0, 'u', now)
      -- The body has its own key: with a long value in it, the record's hash would take five times the memory (Redis
      -- stores a hash of short values as a compact list, else as a table).
      redis.call('SET', 'umpire:body:' .. id, body)
      if owner ~= '-' then
        redis.call('HSET', key, 'w', owner)
        redis.pcall('HINCRBY', 'umpire:owned', owner, 1)
      end
      if strict == '0' then redis.call('HSET', key, 'h', held_so_far) end
      redis.call('ZADD', 'umpire:expiry', expires, id)
      out[#out + 1] = ahead
      redis.call('ZADD', queued, now, id)
      redis.call('LPUSH', list, message)
      -- pcall: a sum that cannot be written must not refuse the request.
      redis.pcall('INCRBY', 'umpire:bytes', #body)
      if once then redis.call('SET', once, fingerprint .. id, 'PX', keep_ms) end
      size, bytes = size + 1, bytes + #body
      local its = of(provider)
      its[1], its[2], its[3], its[4] = its[1] + 1, its[2] + #body, its[3] + 1, its[4] + #body
    end
  end
end
for provider, its in pairs(held) do
  if its[3] > 0 then
    redis.pcall('HINCRBY', 'umpire:held', provider, its[3])
    redis.pcall('HINCRBY', 'umpire:held', provider .. '.bytes', its[4])
    redis.pcall('HINCRBY', 'umpire:totals', 'accepted.' .. provider, its[3])
  end
end
return out
