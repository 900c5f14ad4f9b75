#!lua flags=allow-oom
-- allow-oom: the holder of the lock frees more memory than the lock takes.
-- Take, keep or (ms = 0) release a lock that expires after ms. ARGV: key, owner, ms.
-- Returns 0 if another owner holds it, else 1.
local key, owner, ms = unpack(ARGV, 1, 3)
local holder = redis.call('GET', key)
if holder and holder ~= owner then return 0 end
if tonumber(ms) > 0 then redis.call('SET', key, owner, 'PX', ms) else redis.call('DEL', key) end
return 1
