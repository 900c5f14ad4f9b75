#!lua flags=allow-oom
-- Runs when Redis is out of memory too: whoever holds the lock frees more than it takes.
-- Take, keep or (time 0) give up a lock that lapses by itself. ARGV: key, owner, ms. Returns 1 where the owner holds it.
local holder = redis.call('GET', ARGV[1])
if holder and holder ~= ARGV[2] then return 0 end
if tonumber(ARGV[3]) > 0 then redis.call('SET', ARGV[1], ARGV[2], 'PX', ARGV[3]) else redis.call('DEL', ARGV[1]) end
return 1
