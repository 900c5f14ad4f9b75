-- Keep results for redelivery. finish.lua includes this; `kept` has a row for each result: queue id, topic, key, event,
-- owner. A result that cannot be kept (a key is damaged) is counted and does not stop the script.
-- umpire:results lists the kept results, the oldest first. A result that leaves the list is deleted; one that expires
-- stays listed until it is the oldest.
local written = pcall(function()
  -- Bytes that Redis takes for a result besides its event, topic and key.
  local OVERHEAD = 700
  -- How many results one script drops at most, besides as many as it keeps: a lower bound is reached step by step.
  local MOST_DROPPED = 100
  local keep, most = tonumber(keep_ms), tonumber(keep_bytes)
  local time = redis.call('TIME')
  local before = time[1] * 1000 + math.floor(time[2] / 1000) - keep
  local bytes = 0
  for _, row in ipairs(kept) do
    local id, topic, message_key, event, owner = unpack(row)
    local key, size = 'umpire:result:' .. id, #event + #topic + #message_key + OVERHEAD
    redis.call('HSET', key, 't', topic, 'k', message_key, 'e', event, 'w', owner)
    redis.call('PEXPIRE', key, keep)
    redis.call('XADD', 'umpire:results', '*', 'i', id, 'n', size)
    bytes = bytes + size
  end
  if #kept > 0 then
    bytes = redis.call('INCRBY', 'umpire:results:bytes', bytes)
    -- Never shortened: a process with a longer time may have kept results as well.
    for _, key in ipairs({'umpire:results', 'umpire:results:bytes'}) do
      if redis.call('PTTL', key) < keep then redis.call('PEXPIRE', key, keep) end
    end
  end
  local function due(row)
    return row and (bytes > most or tonumber(string.match(row[1], '^%d+')) <= before)
  end
  -- Look at the oldest alone first: mostly it stays.
  if #kept == 0 or not due(redis.call('XRANGE', 'umpire:results', '-', '+', 'COUNT', 1)[1]) then return end
  local dropped = 0
  for _, row in ipairs(redis.call('XRANGE', 'umpire:results', '-', '+', 'COUNT', MOST_DROPPED + #kept)) do
    if not due(row) then break end
    local f = {}
    for i = 1, #row[2], 2 do f[row[2][i]] = row[2][i + 1] end
    local size = tonumber(f.n or '') or 0
    redis.call('XDEL', 'umpire:results', row[1])
    if f.i then redis.call('UNLINK', 'umpire:result:' .. f.i) end
    bytes, dropped = bytes - size, dropped + size
  end
  redis.call('DECRBY', 'umpire:results:bytes', dropped)
end)
if not written then unwritten = unwritten + 1 end
