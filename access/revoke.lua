#!lua flags=allow-oom
-- Runs when Redis is out of memory too: a leaked key must not stay valid because of that.
-- Revokes an API key. ARGV: its id, the time (ms). Returns 1 if the key exists. A key that was revoked before is not
-- changed.
local id, now_ms = unpack(ARGV, 1, 2)
local key = 'umpire:apikey:' .. id
if redis.call('EXISTS', key) == 0 then return 0 end
if (redis.call('HGET', key, 'revoked') or '') == '' then redis.call('HSET', key, 'revoked', now_ms) end
return 1
