-- Admit requests: the record and its Celery message exist together or not at all.
-- ARGV: max unfinished, max bytes, then for each request: queue id, provider, broker priority, list, body, message,
--       time to live in ms, process that waits for the answer (or '').
-- Returns for each: requests of its provider queued before it; -1 too many unfinished; -2 too many bytes.
-- A replay of an admit whose answer was lost finds its record and changes nothing.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local max_size, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local size = redis.call('ZCARD', 'umpire:expiry')
local bytes = tonumber(redis.call('GET', 'umpire:bytes') or '0')
local out = {}
for i = 3, #ARGV, 8 do
  local id, provider, body = ARGV[i], ARGV[i + 1], ARGV[i + 4]
  local key, queued = 'umpire:req:' .. id, 'umpire:queued:' .. provider
  if redis.call('EXISTS', key) == 1 then
    out[#out + 1] = redis.call('ZRANK', queued, id) or 0
  elseif size >= max_size then
    out[#out + 1] = -1
  elseif bytes + #body > max_bytes then
    out[#out + 1] = -2
  else
    local expires = now + tonumber(ARGV[i + 6])
    redis.call('HSET', key, 's', 'queued', 'p', provider, 'q', ARGV[i + 2], 'b', body, 'n', #body, 'e', expires,
      'r', ARGV[i + 7], 't', 0, 'l', 0, 'u', now)
    redis.call('ZADD', 'umpire:expiry', expires, id)
    out[#out + 1] = redis.call('ZCARD', queued)
    redis.call('ZADD', queued, now, id)
    redis.call('LPUSH', ARGV[i + 3], ARGV[i + 5])
    redis.call('INCRBY', 'umpire:bytes', #body)
    size, bytes = size + 1, bytes + #body
  end
end
return out
