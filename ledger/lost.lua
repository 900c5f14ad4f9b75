-- Queued requests whose message is gone: Celery on Redis can lose one between BRPOP and `unacked` when it is killed.
-- ARGV: provider, age in ms, most to look at, most to return, messages at a list's head to look at, then pairs: lower bound
--       of a priority step, its list (most urgent first).
-- A list holds its messages in the order they were pushed, but for those that were put back in front, in any order among
-- themselves. So a record pushed before each of the messages at the head of its list, or whose list is empty, has no
-- message there.
-- Returns for each: queue id, broker priority.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local provider, most, sample = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5])
local ids = redis.call('ZRANGEBYSCORE', 'umpire:queued:' .. provider, '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, ARGV[3])
if #ids == 0 then return {} end
local heads = {}
for i = 6, #ARGV, 2 do
  local messages = redis.call('LRANGE', ARGV[i + 1], -sample, -1)
  local head = math.huge
  for _, message in ipairs(messages) do
    local id = string.match(message, '"id": ?"([%x%-]+)"')
    head = math.min(head, tonumber(id and redis.call('HGET', 'umpire:req:' .. id, 'u') or math.huge))
  end
  -- Messages whose records are all gone say nothing; 0 makes no record look lost.
  if #messages > 0 and head == math.huge then head = 0 end
  heads[#heads + 1] = {tonumber(ARGV[i]), head}
end
local out = {}
for _, id in ipairs(ids) do
  if #out == most then break end
  local r = redis.call('HMGET', 'umpire:req:' .. id, 's', 'q', 'u')
  if r[1] ~= 'queued' then
    redis.call('ZREM', 'umpire:queued:' .. provider, id)
  else
    local priority, head = tonumber(r[2]), nil
    for _, step in ipairs(heads) do
      if step[1] <= priority then head = step[2] end
    end
    if head > tonumber(r[3]) then out[#out + 1] = {id, r[2]} end
  end
end
return out
