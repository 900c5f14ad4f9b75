#!lua flags=allow-oom
-- Runs when Redis is out of memory too: it frees more than it takes, and what it ends is paid.
-- End requests: terminal state and result event, in one step.
-- ARGV: worker, retention of the state in s, keys of the day's tally and of its spending by owner, then for each: queue
--       id, terminal state, who may end it, topic, key, event, cost in USD, 1 where its topic is forbidden (or ''), number of
--       the claim ('': any).
-- Who may end it: 'any' - a paid verdict ends whatever is unfinished, even if the lease was lost meanwhile, for otherwise
--       it would be paid again; 'own' - only the holder of the lease; 'idle' - only where no worker holds it.
-- Returns for each: the id of its outbox entry, or false where it had ended, or was not the caller's to end.
local worker, retention, day, spent = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local out, held = {}, {}
for i = 5, #ARGV, 9 do
  local id, state, who = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local key = 'umpire:req:' .. id
  local r = redis.call('HMGET', key, 's', 'o', 'p', 'n', 'r', 'w', 'c')
  local s, event, cost, owner = r[1], ARGV[i + 5], ARGV[i + 6], r[6]
  local idle = s == 'queued' or s == 'deferred'
  if (who == 'any' and (idle or s == 'processing')) or (who == 'idle' and idle)
    or (who == 'own' and s == 'processing' and r[2] == worker and (ARGV[i + 8] == '' or r[7] == ARGV[i + 8])) then
    redis.call('HSET', key, 's', state)
    redis.call('UNLINK', 'umpire:body:' .. id)
    redis.call('EXPIRE', key, retention)
    redis.call('ZREM', 'umpire:leases', id)
    redis.call('ZREM', 'umpire:expiry', id)
    if idle then
      redis.call('ZREM', 'umpire:queued:' .. r[3], id)
      redis.call('ZREM', 'umpire:deferred:' .. r[3], id)
    end
    redis.call('INCRBY', 'umpire:bytes', #event - r[4])
    local its = held[r[3]] or {0, 0}
    its[1], its[2] = its[1] - 1, its[2] - r[4]
    held[r[3]] = its
    redis.call('HINCRBY', day, 'requests', 1)
    redis.call('HINCRBY', day, r[3] .. '.' .. state, 1)
    local paid = tonumber(cost) > 0
    if paid then redis.call('HINCRBYFLOAT', day, 'cost', cost) end
    if owner then
      redis.call('HINCRBY', day, 'requests.' .. owner, 1)
      if redis.call('HINCRBY', 'umpire:owned', owner, -1) <= 0 then redis.call('HDEL', 'umpire:owned', owner) end
      if paid then
        redis.call('HINCRBYFLOAT', spent, owner, cost)
        redis.call('EXPIRE', spent, 259200)
      end
    end
    out[#out + 1] = redis.call('XADD', 'umpire:outbox', '*', 'i', id, 't', ARGV[i + 3], 'k', ARGV[i + 4], 'e', event,
      'f', ARGV[i + 7])
    if r[5] ~= '' then
      redis.call('SET', 'umpire:answer:' .. id, event, 'PX', 30000)
      redis.call('PUBLISH', 'umpire:replies:' .. r[5], id .. event)
    end
  else
    out[#out + 1] = false
  end
end
for provider, its in pairs(held) do
  redis.call('HINCRBY', 'umpire:held', provider, its[1])
  redis.call('HINCRBY', 'umpire:held', provider .. '.bytes', its[2])
end
redis.call('EXPIRE', day, 259200)
return out
