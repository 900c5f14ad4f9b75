-- Lease one request, and others that wait in the same Celery queue, most urgent first, as far as slots are free.
-- ARGV: worker, number of this claim among the worker's claims, lease in ms, cap in ms (the worker never renews the
--       lease past it), how many others to lease, provider, queue id of the message that Celery delivered (or ''), key
--       of the day's spending, ms that holds may add to a time to live at most, then the queue's lists in the order
--       kombu empties them.
-- If the answer of a claim was lost, the worker repeats its number: the script returns what that claim leased.
-- Returns for each leased request: queue id, body, tries, lapses, ms since its message was last pushed, attempts and
-- cost so far (or ''); if it has an owner also: 1 if the owner may spend more today (else 0), its callback-topic
-- patterns.
-- A stale pointer costs little, but a list may hold hours of them, and a script blocks Redis: a claim stops after MOST
-- messages.
--@include ttl_extension
local MOST = 1000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local worker, number, lease, cap, wanted, provider, leader, spent_key, most_added = unpack(ARGV, 1, 9)
lease, cap, wanted, most_added = tonumber(lease), tonumber(cap), tonumber(wanted), tonumber(most_added)
local out = {}

local function add(id, body, tries, lapses, waited, spent, owner)
  local row = {id, body, tries or '0', lapses or '0', waited, spent or ''}
  if owner then
    local limits = redis.call('HMGET', 'umpire:apikey:' .. owner, 'cost', 'topics')
    local cost = tonumber(limits[1] or '')
    local so_far = cost and redis.pcall('HGET', spent_key, owner)
    row[7] = cost and type(so_far) == 'string' and (tonumber(so_far) or 0) >= cost and 0 or 1
    row[8] = limits[2] or ''
  end
  out[#out + 1] = row
end

local function take(id)
  local key = 'umpire:req:' .. id
  local r = redis.call('HMGET', key, 's', 'p', 't', 'l', 'e', 'u', 'x', 'w')
  -- A superfluous pointer (redelivered, or of a finished request) is ignored; maintenance ends an expired request.
  if r[1] ~= 'queued' or r[2] ~= provider then return false end
  -- Check for a damaged record before the first write: after it, an error would leave a lease that no worker knows of.
  local ends, pushed, body = tonumber(r[5] or ''), tonumber(r[6] or ''), redis.call('GET', 'umpire:body:' .. id)
  if not (ends and pushed and body) then return false end
  if ends <= now and ends + ttl_extension(key, provider, now, most_added) <= now then return false end
  redis.call('HSET', key, 's', 'processing', 'o', worker, 'c', number)
  redis.call('ZADD', 'umpire:leases', now + math.min(lease, cap), id)
  redis.call('ZREM', 'umpire:queued:' .. provider, id)
  add(id, body, r[3], r[4], now - pushed, r[7], r[8])
  return true
end

-- What this worker's last claims leased, by claim number, kept for two minutes in case an answer is lost.
local last = 'umpire:claimed:' .. worker
local before = redis.call('HGET', last, number)
if before then
  for id in string.gmatch(before, '%S+') do
    local r = redis.call('HMGET', 'umpire:req:' .. id, 's', 'p', 't', 'l', 'o', 'u', 'x', 'w', 'c')
    local body = redis.call('GET', 'umpire:body:' .. id)
    if body and r[1] == 'processing' and r[5] == worker and r[9] == number then
      add(id, body, r[3], r[4], now - (tonumber(r[6] or '') or now), r[7], r[8])
    end
  end
  return out
end

local function remember()
  if #out == 0 then return out end
  local ids = {}
  for n, row in ipairs(out) do ids[n] = row[1] end
  -- Keep the last eight claims: a probe's claim may come between another claim and its repetition.
  redis.call('HDEL', last, string.format('%d', tonumber(number) - 8))
  redis.call('HSET', last, number, table.concat(ids, ' '))
  redis.call('PEXPIRE', last, 120000)
  return out
end

if leader ~= '' then take(leader) end
local looked = 0
for i = 10, #ARGV do
  local foreign = {}
  while wanted > 0 and looked < MOST do
    local messages = redis.call('RPOP', ARGV[i], wanted)
    if not messages then break end
    looked = looked + #messages
    for _, message in ipairs(messages) do
      local id = string.match(message, '"task": ?"tasks%.compare"') and string.match(message, '"id": ?"([%x%-]+)"')
      if not id then
        foreign[#foreign + 1] = message
      elseif take(id) then
        wanted = wanted - 1
      end
    end
  end
  -- Messages of other tasks are put back where they were, for Celery. They are popped first, because while the gate is
  -- closed Celery consumes nothing, and they must not hide the messages behind them from the probe.
  for n = #foreign, 1, -1 do redis.call('RPUSH', ARGV[i], foreign[n]) end
end
return remember()
