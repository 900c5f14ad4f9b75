-- Lease one request, and others that wait in the same Celery queue, most urgent first, as far as slots are free.
-- ARGV: worker, number of this claim among its own, lease in ms, cap in ms (its worker never renews it past that), how
--       many more to take, provider, the task's own queue id (or ''), key of the day's spending, then the queue's lists in
--       the order kombu empties them.
-- Asked again with the number of its worker's last claim, whose answer was lost, it returns what that one leased.
-- Returns for each: queue id, body, tries, lapses, ms that it waited since its message was last pushed, what it has spent
-- so far (or ''); and of a request that has an owner: whether the owner may spend more today, its callback-topic patterns.
-- Stale pointers cost little each, but hours of them may wait in a list, and Redis does nothing else meanwhile: one claim
-- looks at so many messages at most.
--@include held_time
local MOST = 1000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local worker, number, lease, cap = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local wanted, provider, leader, spent = tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8]
local most_added = tonumber(ARGV[9])
local out = {}

local function add_limits(row, owner)
  local limits = redis.call('HMGET', 'umpire:apikey:' .. owner, 'cost', 'topics')
  local cost = tonumber(limits[1] or '')
  local so_far = cost and redis.pcall('HGET', spent, owner)
  row[7] = cost and type(so_far) == 'string' and (tonumber(so_far) or 0) >= cost and 0 or 1
  row[8] = limits[2] or ''
end

local function take(id)
  local key = 'umpire:req:' .. id
  local r = redis.call('HMGET', key, 's', 'p', 't', 'l', 'e', 'u', 'x', 'w')
  -- A pointer too many (redelivered, or of a finished request) does nothing; an expired request is the custodian's.
  if r[1] ~= 'queued' or r[2] ~= provider then return false end
  -- Whatever a damaged record lacks must show before the first write: what was leased then would be leased to nobody.
  local ends, pushed, body = tonumber(r[5] or ''), tonumber(r[6] or ''), redis.call('GET', 'umpire:body:' .. id)
  if not (ends and pushed and body) then return false end
  if ends <= now and ends + extension(key, provider, now, most_added) <= now then return false end
  redis.call('HSET', key, 's', 'processing', 'o', worker, 'c', number)
  redis.call('ZADD', 'umpire:leases', now + math.min(lease, cap), id)
  redis.call('ZREM', 'umpire:queued:' .. provider, id)
  local row = {id, body, r[3] or '0', r[4] or '0', now - pushed, r[7] or ''}
  if r[8] then add_limits(row, r[8]) end
  out[#out + 1] = row
  return true
end

-- What the last claim of this worker leased, by its number: for two minutes, in which its answer may be lost.
local last = 'umpire:claimed:' .. worker
local before = redis.call('HGET', last, number)
if before then
  for id in string.gmatch(before, '%S+') do
    local r = redis.call('HMGET', 'umpire:req:' .. id, 's', 'p', 't', 'l', 'o', 'u', 'x', 'w', 'c')
    local body = redis.call('GET', 'umpire:body:' .. id)
    if body and r[1] == 'processing' and r[5] == worker and r[9] == number then
      local row = {id, body, r[3] or '0', r[4] or '0', now - (tonumber(r[6] or '') or now), r[7] or ''}
      if r[8] then add_limits(row, r[8]) end
      out[#out + 1] = row
    end
  end
  return out
end

local function remember()
  if #out == 0 then return out end
  local ids = {}
  for n, row in ipairs(out) do ids[n] = row[1] end
  -- The last few: the claim of a probe may come between another one and its repetition.
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
  -- Not ours to judge: back to where they were, for Celery. While the gate is closed Celery takes none, and they must not
  -- keep the probe from what stands behind them.
  for n = #foreign, 1, -1 do redis.call('RPUSH', ARGV[i], foreign[n]) end
end
return remember()
