-- Token buckets for requests and for tokens a minute: one pair for each model of a provider, shared by all workers.
--
-- ARGV: requests a second, their capacity, tokens a second, their capacity, longest wait (s), then for each operation:
-- bucket key, kind, requests, tokens. Returns a pair for each operation:
--   take  reserve them. {1, wait (µs)}: reserved, to be used after that wait; {0, wait (µs)}: nothing is reserved,
--         since the wait would be longer than the longest allowed.
--   give  give them back; negative amounts charge more. {1, 0}.
-- A rate of 0 means that there is no such limit.
--
-- A reservation may run a bucket into debt, and later ones wait for that debt too. So waiting calls start one by one at
-- the pace of the limit, in the order of their reservations, and none has to ask again. A call that costs more than a
-- full bucket waits for a full one, then takes its whole cost: it gets through, and later calls wait for the rest.

local request_rate, request_capacity, token_rate, token_capacity, longest = unpack(ARGV, 1, 5)
local r_rate, r_cap = tonumber(request_rate), tonumber(request_capacity)
local t_rate, t_cap = tonumber(token_rate), tonumber(token_capacity)
longest = tonumber(longest)
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

local function missing(need, have, rate)
  if rate == 0 or have >= need then return 0 end
  return (need - have) / rate
end

-- A missing key is a full bucket, so a model that is no longer used leaves nothing behind.
local buckets = {}
local function bucket_of(key)
  if not buckets[key] then
    local held = redis.call('HMGET', key, 'r', 't', 'at')
    local passed = math.max(0, now - (tonumber(held[3] or '') or now))
    buckets[key] = {
      r = math.min(r_cap, (tonumber(held[1] or '') or r_cap) + passed * r_rate),
      t = math.min(t_cap, (tonumber(held[2] or '') or t_cap) + passed * t_rate),
    }
  end
  return buckets[key]
end

local replies = {}
for i = 6, #ARGV, 4 do
  local key, kind, requests, tokens = unpack(ARGV, i, i + 3)
  local bucket = bucket_of(key)
  requests, tokens = tonumber(requests), tonumber(tokens)
  if kind == 'take' then
    local wait = math.max(
      missing(math.min(requests, r_cap), bucket.r, r_rate),
      missing(math.min(tokens, t_cap), bucket.t, t_rate)
    )
    local granted = wait <= longest
    if granted then
      bucket.r, bucket.t = bucket.r - requests, bucket.t - tokens
    end
    replies[#replies + 1] = {granted and 1 or 0, math.ceil(wait * 1000000)}
  else
    bucket.r = math.min(r_cap, bucket.r + requests)
    bucket.t = math.min(t_cap, bucket.t + tokens)
    replies[#replies + 1] = {1, 0}
  end
end

for key, bucket in pairs(buckets) do
  -- A bucket without a limit has no inflow, so it must not be drawn down either.
  if r_rate == 0 then bucket.r = r_cap end
  if t_rate == 0 then bucket.t = t_cap end
  local full = math.max(missing(r_cap, bucket.r, r_rate), missing(t_cap, bucket.t, t_rate))
  redis.call('HSET', key,
    'r', string.format('%.17g', bucket.r), 't', string.format('%.17g', bucket.t), 'at', string.format('%.17g', now))
  redis.call('PEXPIRE', key, math.ceil(full * 1000) + 1000)
end
return replies
