-- Find queued requests whose message is gone: a killed worker loses the messages it had fetched and not claimed.
-- ARGV: provider, least age in ms, how many records to check from the oldest on, position (from 0) from which to check
--       as many again, how many to return at most, messages to read at each list's head, number of priority steps, then
--       for each step: its lower bound (a broker priority), its list (most urgent first); then further queue ids to
--       check.
-- A list is in the order of pushing, except for messages that were put back in front, which are in any order among
-- themselves. So if a record was pushed before every message at the head of its list, or its list is empty, its
-- message is not there.
-- Returns for each: queue id, broker priority.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local provider, age, scan, start, most, sample, steps = unpack(ARGV, 1, 7)
start, most, sample = tonumber(start), tonumber(most), tonumber(sample)
local before, last = now - tonumber(age), 7 + 2 * tonumber(steps)
local queued, fetched = 'umpire:queued:' .. provider, 'umpire:fetched:' .. provider
local ids = redis.call('ZRANGEBYSCORE', queued, '-inf', before, 'LIMIT', 0, scan)
if #ids == 0 then return {} end
if start > 0 then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', queued, '-inf', before, 'LIMIT', start, scan)) do ids[#ids + 1] = id end
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
  -- If the records of all these messages are gone, nothing can be concluded: with 0 no record looks lost.
  if #messages > 0 and head == math.huge then head = 0 end
  heads[#heads + 1] = {tonumber(ARGV[i]), head}
end
local out, seen = {}, {}
for _, id in ipairs(ids) do
  if #out == most then break end
  local r = redis.call('HMGET', 'umpire:req:' .. id, 's', 'q', 'u')
  if r[1] ~= 'queued' then
    -- A record in a state that only a newer version knows is left to that version.
    if not r[1] or KNOWN[r[1]] then redis.call('ZREM', queued, id) end
  elseif not seen[id] then
    seen[id] = true
    local priority, head = tonumber(r[2] or '') or 9, nil
    for _, step in ipairs(heads) do
      if step[1] <= priority then head = step[2] end
    end
    -- Pointers that a live worker holds are in `fetched`, refreshed by its heartbeat.
    if head > (tonumber(r[3] or '') or 0) and tonumber(redis.call('ZSCORE', fetched, id) or 0) <= before then
      out[#out + 1] = {id, priority}
    end
  end
end
return out
