-- Finds the API key KEYS[1], and notes that it was used if the secret is one of its own.
-- ARGV: the digest presented in base64url, or '' if that is no use of it; and the time in seconds.
local kept = redis.call('HMGET', KEYS[1], 'owner', 'secret', 'before', 'used')
if kept[1] and ARGV[1] ~= '' then
  local own = false
  for i = 2, 3 do
    -- `<MAC>.<digest>`. Whoever could steer the digest of his guess would know the secret, so how long this takes tells
    -- nothing; the application compares again, in constant time and after it has checked the MAC.
    own = own or (kept[i] and string.match(kept[i], '%.(.*)$') == ARGV[1])
  end
  -- Once a second at most, and never back.
  if own and (tonumber(kept[4]) or 0) < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], 'used', ARGV[2])
  end
end
return kept
