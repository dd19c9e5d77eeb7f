-- Charges one key whose policy is a single token bucket, the most common one, with as little work as there can be.
--
-- KEYS[1]  the key. It holds when the bucket is full, in nanoseconds since 1970, as decimal digits. A double cannot tell
--          such numbers apart, so the digits are read as seconds and nanoseconds, and only INCRBY adds to them
-- ARGV[1]  packed, because words cost more than what they say, as doubles: the price of the request in nanoseconds (0 to
--          look, less to give back); the time to fill the bucket, likewise; the step of the time to live and the time in
--          microseconds, 0 for the server's; and if more than the cost is wanted, its price
-- ARGV[2]  the price once more, as text
-- ARGV[3]  the wanted price, as text
--
-- Answers  packed likewise: one byte, 0 fits, 1 does not, 3 fits and what was wanted was taken; in how many nanoseconds
--          the bucket is full; the time in microseconds. The arithmetic is exact up to 2^53, which are 104 days, and
--          beyond that to 4 ns.

local price, depth, step, now, wanted = struct.unpack(#ARGV[1] == 32 and '<dddd' or '<ddddd', ARGV[1])
local seconds, micros
if now == 0 then
  local time = redis.call('TIME')
  seconds, micros = tonumber(time[1]), tonumber(time[2])
  now = seconds * 1000000 + micros
else
  micros = now % 1000000
  seconds = (now - micros) / 1000000
end

-- The digits of the time in so many nanoseconds.
local function digits(nanos)
  nanos = micros * 1000 + nanos
  local below = nanos % 1000000000
  local above = seconds + (nanos - below) / 1000000000
  if above == 0 then return string.format('%.0f', below) end
  return string.format('%.0f%09.0f', above, below)
end

local raw, debt = redis.call('GET', KEYS[1]), 0
if raw then
  debt = ((tonumber(string.sub(raw, 1, -10)) or 0) - seconds) * 1000000000 + string.sub(raw, -9) - micros * 1000
  if debt < 0 then debt = 0 end
  -- More than a whole bucket, and than clocks differ by, comes from other numbers or from a clock that was set back.
  if debt > depth + 1000000000 then
    debt = depth
    redis.call('SET', KEYS[1], digits(debt), 'KEEPTTL')
  end
end

local fit, delta = 0, ARGV[2]
if ARGV[3] and debt + wanted <= depth then
  fit, price, delta = 3, wanted, ARGV[3]
elseif price >= 0 and debt + price > depth then
  return struct.pack('<Bdd', 1, debt, now)
end
local after = debt + price
if price > 0 then
  -- A key lives until the step in which its bucket is full has ended, and longer by half a second and what is drawn by
  -- the time. It is told so only where it comes into another step: that costs as much as the charge.
  local left = math.floor(after / 1000)
  local into = (now + left) % step
  local ttl
  if debt == 0 or into < price / 1000 + 2 then
    ttl = math.ceil((left - into + step) / 1000 + micros % 1000) + 500
  end
  if debt == 0 then
    redis.call('SET', KEYS[1], digits(price), 'PX', ttl)
  else
    redis.call('INCRBY', KEYS[1], delta)
    if ttl then redis.call('PEXPIRE', KEYS[1], ttl) end
  end
elseif price < 0 and raw then
  redis.call('INCRBY', KEYS[1], delta)
end
return struct.pack('<Bdd', fit, after, now)
