-- The books: all requests that were ever accepted or ended, and those that have not ended. One script reads all of them
-- in one step, so that no request is between two of them.
-- Returns requests accepted, ended, unfinished, and the base: accepted - ended - unfinished as it was at the first read.
-- That is not 0 if the ledger held requests that a version without these totals had accepted.
local accepted, ended, base = 0, 0, nil
local totals = redis.call('HGETALL', 'umpire:totals')
for i = 1, #totals, 2 do
  local field, count = totals[i], tonumber(totals[i + 1]) or 0
  if string.find(field, '^accepted%.') then
    accepted = accepted + count
  elseif string.find(field, '^ended%.') then
    ended = ended + count
  elseif field == 'base' then
    base = count
  end
end
local unfinished = redis.call('ZCARD', 'umpire:expiry')
if not base then
  base = accepted - ended - unfinished
  -- pcall: while Redis takes no writes, the next read stores it.
  redis.pcall('HSET', 'umpire:totals', 'base', base)
end
return {accepted, ended, unfinished, base}
