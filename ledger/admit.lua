-- Admit requests: the record and its Celery message exist together or not at all.
-- ARGV: max unfinished, max bytes, ms for which an idempotency key is kept, then for each request: queue id, provider,
--       broker priority, list, body, message, time to live in ms, process that waits for the answer (or ''), its
--       idempotency key, hashed (or ''), the fingerprint of what was sent with it (64 characters), the time (ms) after
--       which it must not be admitted any more (0: whenever).
-- Returns the time (ms), then for each: requests of its provider queued before it; -1 too many unfinished; -2 too many
-- bytes; -3 its key came with something else before; -4 too late; or, as a string, the queue id that its key was given
-- before.
-- A replay of an admit whose answer was lost finds its record and changes nothing.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local max_size, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local size = redis.call('ZCARD', 'umpire:expiry')
local bytes = tonumber(redis.call('GET', 'umpire:bytes') or '0')
local keep = ARGV[3]
local out = {now}
for i = 4, #ARGV, 11 do
  local id, provider, body = ARGV[i], ARGV[i + 1], ARGV[i + 4]
  local key, queued = 'umpire:req:' .. id, 'umpire:queued:' .. provider
  local once = ARGV[i + 8] ~= '' and 'umpire:once:' .. ARGV[i + 8]
  local before = once and redis.call('GET', once)
  if before and string.sub(before, 1, 64) ~= ARGV[i + 9] then
    out[#out + 1] = -3
  elseif before and string.sub(before, 65) ~= id then
    out[#out + 1] = string.sub(before, 65)
  elseif redis.call('EXISTS', key) == 1 then
    out[#out + 1] = redis.call('ZRANK', queued, id) or 0
  elseif tonumber(ARGV[i + 10]) > 0 and now > tonumber(ARGV[i + 10]) then
    -- Redis did not get to it for so long that its client has been told by now that nothing was accepted.
    out[#out + 1] = -4
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
    if once then redis.call('SET', once, ARGV[i + 9] .. id, 'PX', keep) end
    size, bytes = size + 1, bytes + #body
  end
end
return out
