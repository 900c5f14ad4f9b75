#!lua flags=allow-oom
-- Kafka has them: forget them. Twice does no harm. ARGV: for each: entry id, bytes of its event.
local freed, doubted = 0, redis.call('EXISTS', 'umpire:outbox:doubted') == 1
for i = 1, #ARGV, 2 do
  if redis.call('XDEL', 'umpire:outbox', ARGV[i]) == 1 then freed = freed + ARGV[i + 1] end
  if doubted then redis.call('ZREM', 'umpire:outbox:doubted', ARGV[i]) end
end
-- A sum: one that cannot be written must not have the rest told again.
if freed > 0 then redis.pcall('DECRBY', 'umpire:bytes', freed) end
