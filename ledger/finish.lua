#!lua flags=allow-oom
-- Runs when Redis is out of memory too: it frees more than it takes, and what it ends is paid.
-- End requests: terminal state and result event, in one step.
-- ARGV: owner, retention of the state in s, key of the day's tally, then for each: queue id, terminal state, who may end
--       it, topic, key, event, cost in USD.
-- Who may end it: 'any' - a paid verdict ends whatever is unfinished, even if the lease was lost meanwhile, for otherwise
--       it would be paid again; 'own' - only the holder of the lease; 'idle' - only where no worker holds it.
-- Returns for each: the id of its outbox entry, or false where it had ended, or was not the caller's to end.
local owner, retention, day = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local out = {}
for i = 4, #ARGV, 7 do
  local id, state, who = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local key = 'umpire:req:' .. id
  local r = redis.call('HMGET', key, 's', 'o', 'p', 'n', 'r')
  local s = r[1]
  local idle = s == 'queued' or s == 'deferred'
  if (who == 'any' and (idle or s == 'processing')) or (who == 'idle' and idle)
    or (who == 'own' and s == 'processing' and r[2] == owner) then
    redis.call('HSET', key, 's', state)
    redis.call('HDEL', key, 'b')
    redis.call('EXPIRE', key, retention)
    redis.call('ZREM', 'umpire:leases', id)
    redis.call('ZREM', 'umpire:expiry', id)
    if idle then
      redis.call('ZREM', 'umpire:queued:' .. r[3], id)
      redis.call('ZREM', 'umpire:deferred:' .. r[3], id)
    end
    redis.call('DECRBY', 'umpire:bytes', r[4])
    redis.call('HINCRBY', day, 'requests', 1)
    redis.call('HINCRBY', day, r[3] .. '.' .. state, 1)
    if tonumber(ARGV[i + 6]) > 0 then redis.call('HINCRBYFLOAT', day, 'cost', ARGV[i + 6]) end
    out[#out + 1] = redis.call('XADD', 'umpire:outbox', '*', 'i', id, 't', ARGV[i + 3], 'k', ARGV[i + 4], 'e', ARGV[i + 5])
    if r[5] ~= '' then
      redis.call('SET', 'umpire:answer:' .. id, ARGV[i + 5], 'PX', 30000)
      redis.call('PUBLISH', 'umpire:replies:' .. r[5], id)
    end
  else
    out[#out + 1] = false
  end
end
redis.call('EXPIRE', day, 259200)
return out
