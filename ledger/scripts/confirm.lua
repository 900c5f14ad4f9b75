#!lua flags=allow-oom
-- Remove outbox entries that Kafka has confirmed. Idempotent. ARGV: for each: entry id, bytes of its event.
local freed, doubted = 0, redis.call('EXISTS', 'umpire:outbox:doubted') == 1
for i = 1, #ARGV, 2 do
  local entry, size = unpack(ARGV, i, i + 1)
  if redis.call('XDEL', 'umpire:outbox', entry) == 1 then freed = freed + size end
  if doubted then redis.call('ZREM', 'umpire:outbox:doubted', entry) end
end
-- pcall: a sum that cannot be written must not make the caller repeat the confirmation.
if freed > 0 then redis.pcall('DECRBY', 'umpire:bytes', freed) end
