-- Uses a refresh token of the family KEYS[1]. One round trip, so that of a thousand uses at once one rotates.
-- ARGV: digest presented, digest of its successor, lifetime, idle, grace, the time or '' for the server's, in seconds;
-- the digest of the successor by the other key, or ''; and the name of the key that the client has proved to have, or ''.
local family = redis.call('HMGET', KEYS[1], 'current', 'previous', 'rotated', 'started', 'principal', 'bound')
if not family[1] then
  return {'unknown'}
end
-- A family of an earlier version has no such field, and is bound to nothing.
if family[6] and family[6] ~= '' and family[6] ~= ARGV[8] then
  return {'bound', family[5]}
end
local now = tonumber(ARGV[6]) or tonumber(redis.call('TIME')[1])
local rotated, started = tonumber(family[3]), tonumber(family[4])
if now >= started + tonumber(ARGV[3]) or now >= rotated + tonumber(ARGV[4]) then
  redis.call('DEL', KEYS[1])
  return {'expired', family[5]}
end
if family[1] == ARGV[1] then
  redis.call('HSET', KEYS[1], 'previous', ARGV[1], 'current', ARGV[2], 'rotated', string.format('%.0f', now))
  redis.call('EXPIRE', KEYS[1], ARGV[4])
  return {'good', family[5], family[4]}
end
if family[2] == ARGV[1] and now <= rotated + tonumber(ARGV[5]) then
  if family[1] == ARGV[2] then
    return {'good', family[5], family[4]}
  end
  if family[1] == ARGV[7] then
    return {'other', family[5], family[4]}
  end
  return {'lost', family[5]}
end
redis.call('DEL', KEYS[1])
return {'reused', family[5]}
