#!lua flags=allow-oom
-- Runs when Redis is out of memory too: a leaked key must not stay valid because of that.
-- Revokes an API key. ARGV: its id, the time (ms). Returns 1 if the key exists. A key that was revoked before is not
-- changed.
local key = 'umpire:apikey:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return 0 end
if (redis.call('HGET', key, 'revoked') or '') == '' then redis.call('HSET', key, 'revoked', ARGV[2]) end
return 1
