-- Publish kept results again: each gets a separate outbox entry, due at once, with the same event and the number of
-- its redelivery. The first delivery's entry, the request's record and the books stay as they are.
-- ARGV: owner whose results they must be ('*': any), ms for which an idempotency key is kept, most results in the
--       outbox, 1 to change nothing, then for each: queue id, hash of the idempotency key ('-': none).
-- Returns for each two numbers: the first is the number of its redelivery; 0 - it is not kept; -1 - the idempotency key
-- was used for another result; -2 - it is another owner's; -3 - the outbox is full; -4 - this version cannot read it.
-- The second is 1 if the idempotency key was used before for this result: then it is not published again.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local owner, once_ms, most, dry_run = unpack(ARGV, 1, 4)
most = tonumber(most)
local waiting = redis.call('XLEN', 'umpire:outbox')
local out = {}
for i = 5, #ARGV, 2 do
  local id, once = unpack(ARGV, i, i + 1)
  local key, number, replayed = 'umpire:result:' .. id, 0, 0
  local r = redis.pcall('HMGET', key, 't', 'k', 'e', 'w')
  local before = once ~= '-' and redis.call('GET', 'umpire:once:' .. once)
  if before then
    -- The queue id, and the number of the redelivery.
    number = string.sub(before, 1, #id) == id and tonumber(string.sub(before, #id + 2)) or -1
    replayed = number > 0 and 1 or 0
  elseif r.err then
    number = -4
  elseif not r[1] and not r[2] and not r[3] and not r[4] then
    number = redis.call('EXISTS', key) == 1 and -4 or 0
  elseif owner ~= '*' and r[4] ~= owner then
    number = -2
  elseif not (r[1] and r[2] and r[3]) then
    number = -4
  elseif dry_run == '1' then
    number = (tonumber(redis.call('HGET', key, 'n') or '') or 0) + 1
  elseif waiting >= most then
    number = -3
  else
    local counted = redis.pcall('HINCRBY', key, 'n', 1)
    -- A count that is damaged begins again.
    if type(counted) == 'table' then
      if not string.find(counted.err, 'integer') then return counted end
      redis.call('HSET', key, 'n', 1)
      counted = 1
    end
    local entry = redis.call('XADD', 'umpire:outbox', '*', 'i', id, 't', r[1], 'k', r[2], 'e', r[3], 'n', counted)
    redis.call('ZADD', 'umpire:outbox:due', now, entry)
    redis.pcall('INCRBY', 'umpire:bytes', #r[3])  -- pcall: a damaged sum must not stop the redelivery
    if once ~= '-' then redis.call('SET', 'umpire:once:' .. once, id .. ' ' .. counted, 'PX', once_ms) end
    number, waiting = counted, waiting + 1
  end
  out[#out + 1] = {number, replayed}
end
return out
