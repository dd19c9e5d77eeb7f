-- Finds a session of the owner KEYS[1].
-- ARGV: place, the time, idle, in seconds; and 'use' if that is a use of it.
local kept = redis.call('HMGET', KEYS[1], 's:' .. ARGV[1], 'u:' .. ARGV[1])
if not kept[1] then
  return {'unknown'}
end
local now, used = tonumber(ARGV[2]), tonumber(kept[2]) or 0
local ends = tonumber(string.match(kept[1], '^[^.]*%.%d+%.(%d+)%.')) or 0
local left = math.min(ends, used + tonumber(ARGV[3])) - now
if left <= 0 then
  return {'over'}
end
-- Once a second at most, and never back.
if ARGV[4] == 'use' and used < now then
  redis.call('HSET', KEYS[1], 'u:' .. ARGV[1], ARGV[2])
end
return {'good', kept[1], string.format('%.0f', left)}
