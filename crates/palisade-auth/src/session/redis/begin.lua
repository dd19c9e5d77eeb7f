-- Keeps one more session of the owner KEYS[1], and forgets those that are over.
-- ARGV: place, sealed session, the time, idle, lifetime, in seconds; and how many sessions one owner may have.
local now, idle = tonumber(ARGV[3]), tonumber(ARGV[4])
local all, live = redis.call('HGETALL', KEYS[1]), {}
local used = {}
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2) == 'u:' then
    used[string.sub(all[i], 3)] = tonumber(all[i + 1]) or 0
  end
end
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2) == 's:' then
    local place = string.sub(all[i], 3)
    local ends = tonumber(string.match(all[i + 1], '^[^.]*%.%d+%.(%d+)%.')) or 0
    local last = used[place] or 0
    if now >= ends or now >= last + idle then
      redis.call('HDEL', KEYS[1], 's:' .. place, 'u:' .. place)
    else
      live[#live + 1] = {last, place}
    end
  end
end
table.sort(live, function(one, other) return one[1] < other[1] end)
for i = 1, #live + 1 - tonumber(ARGV[6]) do
  redis.call('HDEL', KEYS[1], 's:' .. live[i][2], 'u:' .. live[i][2])
end
redis.call('HSET', KEYS[1], 's:' .. ARGV[1], ARGV[2], 'u:' .. ARGV[1], ARGV[3])
redis.call('EXPIRE', KEYS[1], string.format('%.0f', math.max(redis.call('TTL', KEYS[1]), tonumber(ARGV[5]))))
return 1
