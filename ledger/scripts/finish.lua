#!lua flags=allow-oom
-- allow-oom: it frees more memory than it takes, and the verdicts that it writes are paid for.
-- End requests: terminal state and result event, in one step.
-- ARGV: worker, seconds for which the record is kept, key of the day's totals, key of the day's spending, ms for which
--       results are kept for redelivery (0: they are not), most bytes of kept results, then for each: queue id, terminal state, who may end it, topic, key, event, cost in USD, 1 if its topic is forbidden (or
--       ''), number of the claim ('': any), 1 if its record must still exist, even if another process ended it (or ''),
--       error code of the event ('-': it has a verdict).
-- Who may end it: 'any' - a paid verdict ends any unfinished request, even if its lease was lost meanwhile: otherwise
--       it would be paid for again; 'own' - only the holder of the lease; 'idle' - only if no worker holds it.
-- If a record must exist and does not, Redis lost it (a stale replica was promoted): a result with 'any' is written to
-- the outbox nevertheless, because it is paid for.
-- Returns how many sums could not be written, then for each: the id of its outbox entry, or false if the request had
-- ended or the caller may not end it.
local worker, retention, day_key, spent_key, keep_ms, keep_bytes = unpack(ARGV, 1, 6)
local out, held, ended, unwritten = {0}, {}, {}, 0
local kept = keep_ms ~= '0' and {}

-- Sums are written after the event. A failure (the key may not hold a number) is counted and does not stop the script.
local function add(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    unwritten = unwritten + 1
    return 1
  end
  return tonumber(reply)
end

-- Only a finite cost above zero is added: 'inf', 'nan' and anything that is not a number would fail the command.
local function priced(text)
  local cost = tonumber(text)
  return cost and cost > 0 and cost < 1e15
end

for i = 7, #ARGV, 11 do
  local id, state, by, topic, message_key, event, cost, forbidden, fencing_token, must_exist, code =
    unpack(ARGV, i, i + 10)
  local key = 'umpire:req:' .. id
  local r = redis.call('HMGET', key, 's', 'o', 'p', 'n', 'r', 'w', 'c', 'k')
  local s, owner = r[1], r[6]
  local provider, size, parked = r[3] or '', tonumber(r[4] or '') or 0, r[8]
  local idle = s == 'queued' or s == 'deferred'
  local forgotten = not s and by == 'any' and must_exist == '1'
  if forgotten or (by == 'any' and (idle or s == 'processing')) or (by == 'idle' and idle)
    or (by == 'own' and s == 'processing' and r[2] == worker and (fencing_token == '' or r[7] == fencing_token)) then
    -- The event first: whatever else fails, no terminal state exists without its event.
    out[#out + 1] = redis.call('XADD', 'umpire:outbox', '*', 'i', id, 't', topic, 'k', message_key, 'e', event,
      'f', forbidden)
    if kept then kept[#kept + 1] = {id, topic, message_key, event, owner or ''} end
    redis.call('HSET', key, 's', state)
    redis.call('UNLINK', 'umpire:body:' .. id)
    redis.call('EXPIRE', key, retention)
    redis.call('ZREM', 'umpire:leases', id)
    redis.call('ZREM', 'umpire:expiry', id)
    if idle then
      redis.call('ZREM', 'umpire:queued:' .. provider, id)
      redis.call('ZREM', 'umpire:deferred:' .. provider, id)
      if parked then redis.call('ZREM', 'umpire:parked:' .. provider .. ':' .. (string.match(parked, ' (.*)$') or ''), id) end
    end
    if r[5] and r[5] ~= '' then
      redis.call('SET', 'umpire:answer:' .. id, event, 'PX', 30000)
      redis.call('PUBLISH', 'umpire:replies:' .. r[5], id .. event)
    end
    add('INCRBY', 'umpire:bytes', #event - size)
    add('HINCRBY', day_key, 'requests', 1)
    if not forgotten then
      local its = held[provider] or {0, 0}
      its[1], its[2] = its[1] - 1, its[2] - size
      held[provider] = its
      add('HINCRBY', day_key, provider .. '.' .. state, 1)
      local field = 'ended.' .. provider .. '.' .. state .. '.' .. (code or '-')
      ended[field] = (ended[field] or 0) + 1
    end
    local paid = priced(cost)
    if paid then add('HINCRBYFLOAT', day_key, 'cost', cost) end
    if owner then
      add('HINCRBY', day_key, 'requests.' .. owner, 1)
      if add('HINCRBY', 'umpire:owned', owner, -1) <= 0 then redis.call('HDEL', 'umpire:owned', owner) end
      if paid then
        add('HINCRBYFLOAT', spent_key, owner, cost)
        redis.call('EXPIRE', spent_key, 259200)
      end
    end
  else
    out[#out + 1] = false
  end
end
for provider, its in pairs(held) do
  add('HINCRBY', 'umpire:held', provider, its[1])
  add('HINCRBY', 'umpire:held', provider .. '.bytes', its[2])
end
for field, count in pairs(ended) do
  add('HINCRBY', 'umpire:totals', field, count)
end
redis.call('EXPIRE', day_key, 259200)
if kept then
--@include keep_results
end
out[1] = unwritten
return out
