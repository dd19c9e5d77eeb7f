-- Charges one key whose policy is a single token bucket, the most common one, with as little work as there can be.
--
-- KEYS[1]  the key. It holds when the bucket is full, as a whole number. Time is counted in parts of a microsecond, of
--          which a double cannot hold those since 1970: so it is counted round and round, and no bucket is as deep as half
--          of a round
-- ARGV[1]  packed, because words cost more than what they say, as doubles: the price of the request (0 to look, less to
--          give back); the time to fill the bucket; the step of the time to live, of which a round is a multiple; the
--          parts of a microsecond, 1,000 or 4; the time in microseconds, or 0 for the server's; and if more than the cost
--          is wanted, its price
-- ARGV[2]  the price once more, as text
-- ARGV[3]  the wanted price, as text
--
-- Answers  packed likewise: one byte, 0 fits, 1 does not, 3 fits and what was wanted was taken; until the bucket is full;
--          the time in microseconds. All arithmetic is exact: whole numbers below 2^53.

local price, depth, step, parts, now, wanted = struct.unpack(#ARGV[1] == 40 and '<ddddd' or '<dddddd', ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
-- 2^22 or 2^30 seconds.
local round = parts == 1000 and 4194304000000000 or 4294967296000000
local at = now % (round / parts) * parts

local raw, debt, anew = redis.call('GET', KEYS[1]), 0, true
if raw then
  local ahead = raw - at
  -- A whole number that was added to for rounds is written anew in time, and one that lies in the past too.
  debt, anew = ahead % round, ahead > round
  if debt == 0 or debt >= round / 2 then
    debt, anew = 0, true
  elseif debt > depth + 1000000 * parts then
    -- More than a whole bucket, and than clocks differ by, comes from other numbers or from a clock that was set back.
    debt, anew = depth, true
  end
end

local fit, delta = 0, ARGV[2]
if ARGV[3] and debt + wanted <= depth then
  fit, price, delta = 3, wanted, ARGV[3]
elseif price >= 0 and debt + price > depth then
  fit, price = 1, 0
end
local after, ttl = debt + price, nil
if after < 0 then after, anew = 0, true end
if price > 0 then
  -- A key lives until the step in which its bucket is full has ended, and longer by half a second and what is drawn by
  -- the time. It is told so only where it comes into another step: that costs as much as the charge.
  local into = (at + after) % step
  if debt == 0 or into < price then
    ttl = math.ceil((after - into + step) / parts / 1000 + now % 1000) + 500
  end
end
if anew and (price > 0 or debt > 0) then
  local full_at = string.format('%.0f', at + after)
  if ttl then
    redis.call('SET', KEYS[1], full_at, 'PX', ttl)
  else
    redis.call('SET', KEYS[1], full_at, 'KEEPTTL')
  end
elseif price ~= 0 and debt > 0 then
  redis.call('INCRBY', KEYS[1], delta)
  if ttl then redis.call('PEXPIRE', KEYS[1], ttl) end
end
return struct.pack('<Bdd', fit, after, now)
