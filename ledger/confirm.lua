#!lua flags=allow-oom
-- Kafka has them: forget them. Twice does no harm. ARGV: entry ids.
local freed = 0
for _, id in ipairs(ARGV) do
  local row = redis.call('XRANGE', 'umpire:outbox', id, id)[1]
  if row then
    for i = 1, #row[2], 2 do
      if row[2][i] == 'e' then freed = freed + #row[2][i + 1] end
    end
    redis.call('XDEL', 'umpire:outbox', id)
  end
  redis.call('ZREM', 'umpire:outbox:doubted', id)
end
if freed > 0 then redis.call('DECRBY', 'umpire:bytes', freed) end
