-- Charges one key whose policy is a single token bucket, the most common one, with as little work as there can be.
--
-- KEYS[1]  the key. It holds when the bucket is full, as a whole number
-- ARGV[1]  packed, because words cost more than what they say, as doubles: the price of the request (0 to look, less to
--          give back); the time to fill the bucket; the step of the time to live; the time, or 0 for the server's; and
--          if more than the cost is wanted, its price
-- ARGV[2]  the price once more, as text
-- ARGV[3]  the wanted price, as text
--
-- Answers  packed likewise: one byte, 0 fits, 1 does not, 3 fits and what was wanted was taken; until the bucket is full;
--          the time. Times are quarters of a microsecond. All arithmetic is exact: whole numbers below 2^53.

local price, depth, step, now, wanted = struct.unpack(#ARGV[1] == 32 and '<dddd' or '<ddddd', ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 4000000 + time[2] * 4
end
local raw = redis.call('GET', KEYS[1])
local full_at = tonumber(raw or 0)
local debt = full_at > now and full_at - now or 0
-- More than a whole bucket, and than clocks differ by, comes from other numbers or from a clock that was set back.
if debt > depth + 4000000 then
  full_at, debt = now + depth, depth
  redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'KEEPTTL')
end

local fit, delta = 0, ARGV[2]
if ARGV[3] and debt + wanted <= depth then
  fit, price, delta = 3, wanted, ARGV[3]
elseif price >= 0 and debt + price > depth then
  return struct.pack('<Bdd', 1, debt, now)
end
if price > 0 then
  if debt == 0 then delta = string.format('%.0f', now + price - full_at) end
  redis.call('INCRBY', KEYS[1], delta)
  -- A key lives until the step in which its bucket is full has ended, and longer by half a second and what is drawn by
  -- the time. It is told so only where it comes into another step: that costs as much as the charge.
  local into = (now + debt + price) % step
  if debt == 0 or into < price then
    redis.call('PEXPIRE', KEYS[1], math.ceil((debt + price - into + step) / 4000 + now % 4000 / 4) + 500)
  end
elseif price < 0 and raw then
  redis.call('INCRBY', KEYS[1], delta)
end
return struct.pack('<Bdd', fit, debt + price, now)
