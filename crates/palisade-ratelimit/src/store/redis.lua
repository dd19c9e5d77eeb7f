-- Charges one key of one policy, all of its limits or none of them, in one step.
--
-- KEYS[1]  the key
-- ARGV     time in microseconds, or 0 for the server's
--          what to do: "charge", "peek" or "refund"
--          the cost
--          charge: what to take if there is so much, at least the cost; refund: the time of the charge
--          milliseconds to add to the key's time to live, so that keys do not all run out together
--          then for each limit its kind, and two numbers: see `check`
--
-- Answers   0 fits, 1 does not yet, 2 never; the number of the limit that is closest to refusing; what it has left; until
--           it is full; until the cost fits; what was charged; the time; for how long what was taken beyond the cost may
--           be kept; until the token bucket is full. Times are microseconds. All arithmetic is exact: whole and quarter microseconds below 2^53.

local now = tonumber(ARGV[1])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local action, cost, want = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local max, floor, ceil = math.max, math.floor, math.ceil
local STEPS = 17

local raw = redis.call('GET', KEYS[1])
local states = raw and cmsgpack.unpack(raw) or {}
local limits = {}
for at = 6, #ARGV, 3 do
  local number = #limits + 1
  limits[number] = { ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), states[number] or {} }
end

-- What was used of a window, and when the last of it is released.
local function used_of(kind, quota, span, state)
  if kind == 'f' then
    -- A fixed window: when it began, and the count.
    if state[1] and state[1] + span > now then return state[2], state[1] + span end
    return 0, now
  end
  local used, last = 0, now
  if kind == 's' then
    -- Steps of `span`: the number and the count of each. The oldest counts in full.
    for at = 1, #state, 2 do
      local release = (state[at] + STEPS) * span
      if release > now then used, last = used + state[at + 1], max(last, release) end
    end
  else
    -- A log: when each unit is released.
    for at = 1, #state do
      if state[at] > now then used, last = used + 1, max(last, state[at]) end
    end
  end
  return used, last
end

-- When `surplus` units of what is used are released.
local function released(kind, span, state, surplus, last)
  if kind == 'f' then return last end
  local held = {}
  if kind == 's' then
    for at = 1, #state, 2 do held[#held + 1] = { (state[at] + STEPS) * span, state[at + 1] } end
  else
    for at = 1, #state do held[#held + 1] = { state[at], 1 } end
  end
  table.sort(held, function(a, b) return a[1] < b[1] end)
  for _, entry in ipairs(held) do
    if entry[1] > now then
      surplus = surplus - entry[2]
      if surplus <= 0 then return entry[1] end
    end
  end
  return last
end

-- Whether `units` fit: 0, 1 or 2; what is left; until full; until they fit.
local function check(limit, units)
  local kind, first, second, state = limit[1], limit[2], limit[3], limit[4]
  if kind == 'b' then
    -- A token bucket: the time between two tokens, and the time to fill it. Its state is when it is full.
    local debt = max(0, (state[1] or 0) - now)
    local after = debt + units * first
    if after <= second then return 0, floor((second - after) / first), after, 0 end
    if units * first > second then return 2, floor(max(0, second - debt) / first), debt, 0 end
    return 1, floor(max(0, second - debt) / first), debt, after - second
  end
  local used, last = used_of(kind, first, second, state)
  if used + units <= first then
    local full = last - now
    if units > 0 then
      if kind == 's' then full = (floor(now / second) + STEPS) * second - now
      elseif kind == 'f' and used > 0 then full = last - now
      else full = max(full, second) end
    end
    return 0, first - used - units, full, 0
  end
  if units > first then return 2, max(0, first - used), last - now, 0 end
  return 1, max(0, first - used), last - now, released(kind, second, state, used + units - first, last) - now
end

local function assess(units)
  local fit, number, left, full, wait = -1, 0, 0, 0, 0
  for at, limit in ipairs(limits) do
    local f, l, u, w = check(limit, units)
    local closer = f > fit or (f == fit and (w > wait or (w == wait and (l < left or (l == left and u > full)))))
    if closer then fit, number, left, full, wait = f, at, l, u, w end
  end
  return fit, number, left, full, wait
end

local function commit(limit, units)
  local kind, first, second, state = limit[1], limit[2], limit[3], limit[4]
  if kind == 'b' then
    state[1] = max(state[1] or 0, now) + units * first
    return state[1], state[1] - now
  end
  local used, last = used_of(kind, first, second, state)
  if kind == 'f' then
    if used == 0 then limit[4] = { now, units } else state[2] = used + units end
    return limit[4][1] + second, limit[4][1] + second - now
  end
  local kept = {}
  if kind == 's' then
    local step = floor(now / second)
    for at = 1, #state, 2 do
      if (state[at] + STEPS) * second > now and state[at] ~= step then
        kept[#kept + 1], kept[#kept + 2] = state[at], state[at + 1]
      elseif state[at] == step then
        units = units + state[at + 1]
      end
    end
    kept[#kept + 1], kept[#kept + 2] = step, units
    limit[4] = kept
    return (step + STEPS) * second, (step + 1) * second - now
  end
  for at = 1, #state do
    if state[at] > now then kept[#kept + 1] = state[at] end
  end
  for _ = 1, units do kept[#kept + 1] = now + second end
  limit[4] = kept
  return now + second, 0
end

local function refund(limit, units, charged_at)
  local kind, first, second, state = limit[1], limit[2], limit[3], limit[4]
  if kind == 'b' then
    if state[1] then state[1] = state[1] - units * first end
  elseif kind == 'f' then
    if state[1] and charged_at >= state[1] and charged_at < state[1] + second then
      state[2] = max(0, state[2] - units)
      if state[2] == 0 then limit[4] = {} end
    end
  elseif kind == 's' then
    for at = 1, #state, 2 do
      if state[at] == floor(charged_at / second) then state[at + 1] = max(0, state[at + 1] - units) end
    end
  else
    local kept = {}
    for at = 1, #state do
      if units > 0 and state[at] == charged_at + second then units = units - 1
      else kept[#kept + 1] = state[at] end
    end
    limit[4] = kept
  end
end

local function save(ttl)
  local all = {}
  for at, limit in ipairs(limits) do all[at] = limit[4] end
  local packed = cmsgpack.pack(all)
  if ttl then redis.call('SET', KEYS[1], packed, 'PX', ttl) else redis.call('SET', KEYS[1], packed, 'KEEPTTL') end
end

if action == 'refund' then
  if raw then
    for _, limit in ipairs(limits) do refund(limit, cost, want) end
    save()
  end
  return { 0, 1, 0, 0, 0, 0, now, 0, 0 }
end

local units = max(cost, action == 'charge' and want or cost)
local fit, number, left, full, wait = assess(units)
if fit > 0 and units > cost then
  units = cost
  fit, number, left, full, wait = assess(units)
end
if action == 'peek' then
  if fit == 0 then fit, number, left, full, wait = assess(0) end
  return { fit, number, left, ceil(full), ceil(wait), 0, now, 0, 0 }
end
if fit > 0 then return { fit, number, left, ceil(full), ceil(wait), 0, now, 0, 0 } end
local valid, bucket = 9007199254740991, 0
if units > 0 then
  local last = now
  for _, limit in ipairs(limits) do
    local full_at, keep = commit(limit, units)
    last, valid = max(last, full_at), math.min(valid, keep)
    if limit[1] == 'b' then bucket = full_at - now end
  end
  save(ceil((last - now) / 1000) + tonumber(ARGV[5]))
end
return { 0, number, left, ceil(full), 0, units, now, floor(valid), floor(bucket) }
