-- Notes one more session that the provider's session KEYS[1] has begun here, and forgets those that are over.
-- ARGV: session, its end, the digest of its subject, the time, how long a session lasts, in seconds; and how many there may be.
local all, live = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local ends = tonumber(string.match(all[i + 1], '^(%d+)%.')) or 0
  if tonumber(ARGV[4]) >= ends then
    redis.call('HDEL', KEYS[1], all[i])
  else
    live[#live + 1] = {ends, all[i]}
  end
end
table.sort(live, function(one, other) return one[1] < other[1] end)
for i = 1, #live + 1 - tonumber(ARGV[6]) do
  redis.call('HDEL', KEYS[1], live[i][2])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. '.' .. ARGV[3])
redis.call('EXPIRE', KEYS[1], string.format('%.0f', math.max(redis.call('TTL', KEYS[1]), tonumber(ARGV[5]))))
return 1
