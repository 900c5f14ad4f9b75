#!lua flags=allow-oom
-- Runs when Redis is out of memory too: a key that leaked must not stay good for that.
-- Revoke an API key. ARGV: its id, the time (ms). Returns 1 if there is such a key; revoked before, it stays as it was.
local key = 'umpire:apikey:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then return 0 end
if (redis.call('HGET', key, 'revoked') or '') == '' then redis.call('HSET', key, 'revoked', ARGV[2]) end
return 1
