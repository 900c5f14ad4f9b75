#!lua flags=allow-oom
-- allow-oom: the holder of the lock frees more memory than the lock takes.
-- Take, keep or (ms = 0) release a lock that expires after ms. ARGV: key, owner, ms.
-- Returns 0 if another owner holds it, else 1.
local holder = redis.call('GET', ARGV[1])
if holder and holder ~= ARGV[2] then return 0 end
if tonumber(ARGV[3]) > 0 then redis.call('SET', ARGV[1], ARGV[2], 'PX', ARGV[3]) else redis.call('DEL', ARGV[1]) end
return 1
