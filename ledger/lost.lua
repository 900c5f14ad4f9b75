-- Queued requests whose message is gone: Celery on Redis can lose one between BRPOP and `unacked` when it is killed.
-- ARGV: provider, age in ms, limit, then pairs: lower bound of a priority step, its list (most urgent first).
-- A list holds its messages in the order they were pushed. So a record pushed before the message at the head of its list,
-- or whose list is empty, has no message there.
-- Returns for each: queue id, broker priority.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local provider, limit = ARGV[1], tonumber(ARGV[3])
local heads = {}
for i = 4, #ARGV, 2 do
  local message = redis.call('LINDEX', ARGV[i + 1], -1)
  local id = message and string.match(message, '"id": ?"([%x%-]+)"')
  -- A head whose record is gone says nothing; 0 makes no record look lost.
  local pushed = message and (id and redis.call('HGET', 'umpire:req:' .. id, 'u') or 0)
  heads[#heads + 1] = {tonumber(ARGV[i]), tonumber(pushed or math.huge)}
end
local ids = redis.call('ZRANGEBYSCORE', 'umpire:queued:' .. provider, '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, limit)
local out = {}
for _, id in ipairs(ids) do
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
