-- Queued requests whose message is gone: a worker that is killed takes with it what it had fetched and not claimed.
-- ARGV: provider, age in ms, most to look at from the oldest on, and as many from another place on (which, counted from 0),
--       most to return, messages at a list's head to look at, number of priority steps, then for each: its lower bound, its
--       list (most urgent first); then ids to look at besides.
-- A list holds its messages in the order they were pushed, but for those that were put back in front, in any order among
-- themselves. So a record pushed before each of the messages at the head of its list, or whose list is empty, has no
-- message there.
-- Returns for each: queue id, broker priority.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local provider, before, look, from = ARGV[1], now - tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local most, sample, last = tonumber(ARGV[5]), tonumber(ARGV[6]), 7 + 2 * tonumber(ARGV[7])
local queued, fetched = 'umpire:queued:' .. provider, 'umpire:fetched:' .. provider
local ids = redis.call('ZRANGEBYSCORE', queued, '-inf', before, 'LIMIT', 0, look)
if #ids == 0 then return {} end
if from > 0 then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', queued, '-inf', before, 'LIMIT', from, look)) do ids[#ids + 1] = id end
end
for i = last + 1, #ARGV do ids[#ids + 1] = ARGV[i] end
local KNOWN = {deferred = true, processing = true, completed = true, failed = true, expired = true, cancelled = true}
local heads = {}
for i = 8, last, 2 do
  local messages = redis.call('LRANGE', ARGV[i + 1], -sample, -1)
  local head = math.huge
  for _, message in ipairs(messages) do
    local id = string.match(message, '"id": ?"([%x%-]+)"')
    head = math.min(head, tonumber(id and redis.call('HGET', 'umpire:req:' .. id, 'u') or '') or math.huge)
  end
  -- Messages whose records are all gone say nothing; 0 makes no record look lost.
  if #messages > 0 and head == math.huge then head = 0 end
  heads[#heads + 1] = {tonumber(ARGV[i]), head}
end
local out, seen = {}, {}
for _, id in ipairs(ids) do
  if #out == most then break end
  local r = redis.call('HMGET', 'umpire:req:' .. id, 's', 'q', 'u')
  if r[1] ~= 'queued' then
    -- A state that only a newer version knows is left to it.
    if not r[1] or KNOWN[r[1]] then redis.call('ZREM', queued, id) end
  elseif not seen[id] then
    seen[id] = true
    local priority, head = tonumber(r[2] or '') or 9, nil
    for _, step in ipairs(heads) do
      if step[1] <= priority then head = step[2] end
    end
    -- What a living worker holds is told by its heartbeat.
    if head > (tonumber(r[3] or '') or 0) and tonumber(redis.call('ZSCORE', fetched, id) or 0) <= before then
      out[#out + 1] = {id, priority}
    end
  end
end
return out
