-- One unit of a rate: 0 when it is granted, else the microseconds until there is one. As Rate::next in rate.rs.
-- Kept is the time at which the bucket is full again, by Redis' own clock, which all nodes share.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, depth = tonumber(ARGV[1]), ARGV[1] * ARGV[2]
local full = tonumber(redis.call('GET', KEYS[1]) or now) or now
-- beyond the depth is the time of another rate, or of a clock that was set back
if full < now or full > now + depth then full = now end
full = full + interval
local wait = full - now - depth
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.max(1, math.ceil((full - now) / 1000)))
return 0
