-- Charges one key of one policy, all of its limits or none of them, in one step. (A single token bucket has bucket.lua.)
--
-- KEYS[1]  the key
-- ARGV[1]  packed, because words cost more than what they say; numbers are doubles, points in time and windows are
--          microseconds, and all other times nanoseconds:
--          the time, or 0 for the server's
--          what to do: (c)harge, (C)harge and tell of each limit, (p)eek or (r)efund
--          the cost
--          charge: what to take if there is so much, at least the cost; refund: the time of the charge
--          then for each limit its kind, and two numbers or five: see below
--
-- Answers  packed likewise, behind which each limit is told of where that was asked for, by what it has left and until it is
--          full: one byte, 0 fits, 1 does not yet, 2 never, 3 fits and more than the cost was taken; one byte,
--          the number of the limit that is closest to refusing; what it has left; until it is full; the time; then
--          1: until the cost fits; 3: for how long what was taken beyond the cost may be kept, and until the token
--          bucket is full. All arithmetic is exact: whole numbers below 2^53, and multiples of 8 below 2^56.
--
-- The key holds until when it is sure to be kept, when it was charged last, and then the state of each limit.

local argument = ARGV[1]
local now, action, cost, want, at = struct.unpack('<dc1dd', argument)
local servers_time = now == 0
local tells = action == 'C'
if tells then action = 'c' end
if servers_time then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local floor, ceil, max = math.floor, math.ceil, math.max
local STEPS = 17

local raw = redis.call('GET', KEYS[1])
local states = raw and { cmsgpack.unpack(raw) } or { 0, 0 }

-- What the times of a bucket are counted in: parts of a microsecond, round and round, as in bucket.lua.
local function clock(kind)
  if kind == 'b' then return 1000, 4194304000000000, now % 4194304000000 * 1000 end
  return 4, 4294967296000000, now % 1073741824000000 * 4
end

-- What is used of a window of the calendar, and how long that counts. A count of the window that follows stands: a clock that
-- was set back a little makes no room.
local function calendar(state, from, to)
  if state[1] and state[1] >= from and state[1] <= to then return state[3], (state[2] - now) * 1000 end
  return 0, 0
end

-- Each limit: its kind and two numbers, its state, what is used of it, and in what time the last of that is released.
local limits, bounded = {}, false
while at <= #argument do
  local kind, first, second, following = struct.unpack('<c1dd', argument, at)
  local number = #limits + 1
  local state, used, left = states[number + 2], 0, 0
  local from, to
  if kind == 'c' then
    -- A window of the calendar: the quota, and the beginnings of the caller's last window, of his current one, and of the
    -- two that follow. Its state is the beginning and the end of the window that was charged last, and the count.
    local third, fourth, fifth
    third, fourth, fifth, following = struct.unpack('<ddd', argument, following)
    from, to = fourth, fifth
    if now < third then from, to = second, third elseif now < fourth then from, to = third, fourth end
    if (now < second or now >= fifth) and action ~= 'r' then
      return redis.error_reply('CLOCKS of the caller and of Redis differ by more than a window of the calendar')
    end
  end
  if kind == 'b' or kind == 'q' then
    -- A token bucket, in thousandths or quarters: the time between two tokens, and the time to fill it. Its state is when
    -- it is full.
    if state then
      local parts, round, at = clock(kind)
      used = (state - at) % round
      -- A key that other limits keep may have rested for rounds: after 20 days every bucket of thousandths is full.
      if used >= round / 2 or kind == 'b' and now - states[2] > 1728000000000 then
        used = 0
      elseif used > second + 1000000 * parts then
        -- More than a whole bucket, and than clocks differ by, comes from other numbers or from a clock that was set back.
        used, state, bounded = second, at + second, true
        states[number + 2] = state
      end
      left = used * (1000 / parts)
    end
  elseif not state then
    state = {}
  elseif kind == 'f' then
    -- A fixed window: the quota, and its length. When it began, and the count.
    if state[1] and state[1] + second > now then used, left = state[2], (state[1] + second - now) * 1000 end
  elseif kind == 'c' then
    used, left = calendar(state, from, to)
  elseif kind == 's' then
    -- Steps of a sliding window: the quota, and their length. The number and the count of each. The oldest counts in full.
    for step = 1, #state, 2 do
      local release = (state[step] + STEPS) * second
      if release > now and state[step + 1] > 0 then
        used = used + state[step + 1]
        left = max(left, (release - now) * 1000)
      end
    end
  else
    -- A log: the quota, and the window. When each unit is released.
    for unit = 1, #state do
      if state[unit] > now then
        used = used + 1
        left = max(left, (state[unit] - now) * 1000)
      end
    end
  end
  limits[number] = { kind, first, second, state, used, left, from, to }
  at = following
end

-- In what time `surplus` units of what is used are released.
local function released(limit, surplus)
  local kind, second, state, left = limit[1], limit[3], limit[4], limit[6]
  if kind == 'f' or kind == 'c' then return left end
  local held = {}
  if kind == 's' then
    for step = 1, #state, 2 do held[#held + 1] = { (state[step] + STEPS) * second, state[step + 1] } end
  else
    for unit = 1, #state do held[unit] = { state[unit], 1 } end
  end
  table.sort(held, function(a, b) return a[1] < b[1] end)
  for _, entry in ipairs(held) do
    if entry[1] > now then
      surplus = surplus - entry[2]
      if surplus <= 0 then return (entry[1] - now) * 1000 end
    end
  end
  return left
end

-- Whether `units` fit all limits; and of the limit that is closest to refusing: its number, what is left, until it is
-- full, until they fit.
local each = {}
local function assess(units)
  local fit, number, left, full, wait = -1, 0, 0, 0, 0
  for at = 1, #limits do
    local limit = limits[at]
    local kind, first, second, used = limit[1], limit[2], limit[3], limit[5]
    local f, l, u, w = 0, 0, limit[6], 0
    if kind == 'b' or kind == 'q' then
      local price, nanos = units * first, kind == 'b' and 1 or 250
      if used + price <= second then
        u = (used + price) * nanos
        l = floor((second - used - price) / first)
      else
        if used < second then l = floor((second - used) / first) end
        if price > second then f = 2 else f, w = 1, (used + price - second) * nanos end
      end
    elseif used + units <= first then
      l = first - used - units
      if units == 0 then -- nothing changes
      elseif kind == 's' then u = ((floor(now / second) + STEPS) * second - now) * 1000
      elseif kind == 'c' then if used == 0 then u = (limit[8] - now) * 1000 end
      elseif kind == 'l' or used == 0 then u = second * 1000 end
    else
      if used < first then l = first - used end
      if units > first then f = 2 else f, w = 1, released(limit, used + units - first) end
    end
    if tells then each[at] = struct.pack('<dd', l, u) end
    if f > fit or f == fit and (w > wait or w == wait and (l < left or l == left and u > full)) then
      fit, number, left, full, wait = f, at, l, u, w
    end
  end
  return fit, number, left, full, wait
end

-- A key lives longer than its limits need: by half a second, a sixteenth of their time, and what is drawn by the time.
-- So most charges of a key in steady use need not set it again, which costs as much as the charge. The time of a caller
-- may run differently from the server's: then every charge does.
local function save(last)
  states[2] = now
  if servers_time and last <= states[1] then
    redis.call('SET', KEYS[1], cmsgpack.pack(unpack(states, 1, #limits + 2)), 'KEEPTTL')
  else
    states[1] = last + (last - now) / 16 + 500000
    local ttl = ceil((states[1] - now) / 1000 + now % 1000) + 500
    redis.call('SET', KEYS[1], cmsgpack.pack(unpack(states, 1, #limits + 2)), 'PX', ttl)
  end
end

if bounded then redis.call('SET', KEYS[1], cmsgpack.pack(unpack(states, 1, #limits + 2)), 'KEEPTTL') end

if action == 'r' then
  for number, limit in ipairs(limits) do
    local kind, first, second, state, units = limit[1], limit[2], limit[3], limit[4], cost
    if kind == 'b' or kind == 'q' then
      if state then
        local _, _, at = clock(kind)
        state = at + max(limit[5] - units * first, 0)
      end
    elseif kind == 'f' then
      if state[1] and want >= state[1] and want < state[1] + second then
        if units < state[2] then state[2] = state[2] - units else state = {} end
      end
    elseif kind == 'c' then
      if state[1] and want >= state[1] and want < state[2] then
        if units < state[3] then state[3] = state[3] - units else state = {} end
      end
    elseif kind == 's' then
      for step = 1, #state, 2 do
        if state[step] == floor(want / second) then state[step + 1] = max(0, state[step + 1] - units) end
      end
    else
      local kept = {}
      for unit = 1, #state do
        if units > 0 and state[unit] == want + second then units = units - 1 else kept[#kept + 1] = state[unit] end
      end
      state = kept
    end
    states[number + 2] = state
  end
  if raw then redis.call('SET', KEYS[1], cmsgpack.pack(unpack(states, 1, #limits + 2)), 'KEEPTTL') end
  return struct.pack('<BBddd', 0, 1, 0, 0, now)
end

local units = cost
if action == 'c' and want > cost then units = want end
local fit, number, left, full, wait = assess(units)
if fit > 0 and units > cost then
  units = cost
  fit, number, left, full, wait = assess(units)
end
-- What was refused was charged to none.
if tells and fit > 0 then assess(0) end
local told = table.concat(each)
if fit == 1 then return struct.pack('<BBdddd', fit, number, left, full, now, wait) .. told end
if fit == 2 then return struct.pack('<BBddd', fit, number, left, full, now) .. told end
if action == 'p' then
  fit, number, left, full = assess(0)
  return struct.pack('<BBddd', fit, number, left, full, now)
end
if units == 0 then return struct.pack('<BBddd', fit, number, left, full, now) .. told end

local last, valid, bucket = now, 9007199254740991, 0
for at = 1, #limits do
  local limit = limits[at]
  local kind, first, second, state, used = limit[1], limit[2], limit[3], limit[4], limit[5]
  local release, keep
  if kind == 'b' or kind == 'q' then
    local parts, _, at = clock(kind)
    local after = used + units * first
    state, bucket = at + after, after * (1000 / parts)
    keep = bucket
    release = now + ceil(after / parts)
  elseif kind == 'f' then
    if used == 0 then state = { now, units } else state = { state[1], used + units } end
    release = state[1] + second
    keep = (release - now) * 1000
  elseif kind == 'c' then
    if used == 0 then state = { limit[7], limit[8], units } else state = { state[1], state[2], used + units } end
    release = state[2]
    keep = (release - now) * 1000
  else
    local kept = {}
    if kind == 's' then
      local newest, count = floor(now / second), units
      for step = 1, #state, 2 do
        if state[step] == newest then
          count = count + state[step + 1]
        elseif (state[step] + STEPS) * second > now then
          kept[#kept + 1], kept[#kept + 2] = state[step], state[step + 1]
        end
      end
      kept[#kept + 1], kept[#kept + 2] = newest, count
      release, keep = (newest + STEPS) * second, ((newest + 1) * second - now) * 1000
    else
      for unit = 1, #state do
        if state[unit] > now then kept[#kept + 1] = state[unit] end
      end
      for _ = 1, units do kept[#kept + 1] = now + second end
      release, keep = now + second, 0
    end
    state = kept
  end
  states[at + 2] = state
  release = max(release, now + ceil(limit[6] / 1000))
  if release > last then last = release end
  if keep < valid then valid = keep end
end
save(last)
if units > cost then return struct.pack('<BBddddd', 3, number, left, full, now, valid, bucket) .. told end
return struct.pack('<BBddd', fit, number, left, full, now) .. told
