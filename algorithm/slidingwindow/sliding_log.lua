-- Sliding window log: the instant of every unit, so the window is exact.
--
-- State: the instant at which each unit of the last period was taken, oldest first, in µs
-- since 1970. Each is written as 7 bytes, the most significant first.
--
-- Parameters: limit, period (µs). period <= 2^51.

local function pack(t)
  local digits = {}
  for i = 7, 1, -1 do
    digits[i] = t % 256
    t = (t - digits[i]) / 256
  end
  return string.char(unpack(digits))
end

-- The instant of the i-th unit, from 1.
local function at(text, i)
  local a, b, c, d, e, f, g = string.byte(text, 7 * i - 6, 7 * i)
  return (((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) * 256 + g
end

-- In a run, a state is a text, the number of units taken since it was read, which write adds
-- to the text, and the instant at which all of these were taken. So a step makes no long
-- text, unless it leaves out units at the beginning, which only the first step of an instant
-- has to.

-- after returns the place of the first unit that is later than t, or all + 1 if none is.
-- Only the first count of all units are in text; the others are later than t. If the first
-- unit is later than t, the result is 1, even if somebody else has written the others in
-- another order. So all requests of one instant keep what the first of them kept, as units
-- that add up must.
local function after(text, count, all, t)
  if count == 0 or at(text, 1) > t then return 1 end
  local lo, hi = 2, all + 1
  while lo < hi do
    local mid = (lo + hi - (lo + hi) % 2) / 2
    if mid > count or at(text, mid) > t then hi = mid else lo = mid + 1 end
  end
  return lo
end

local function read(text)
  if #text % 7 ~= 0 then text = '' end
  return text, 0, 0
end

local function write(text, more, instant)
  if more == 0 then return text end
  return text .. string.rep(pack(instant), more)
end

local function step(text, more, instant, now, n, limit, period)
  local count = #text / 7
  local all, last = count + more, now
  if more > 0 then
    last = instant
  elseif count > 0 then
    last = at(text, count)
  end
  if last - now > period or last >= 2^53 then
    -- The state is from a clock that was wrong: units later than now count as taken now.
    local log = write(text, more, instant)
    local future = after(log, all, all, now)
    log = string.sub(log, 1, 7 * future - 7) .. string.rep(pack(now), all + 1 - future)
    text, more, instant = string.sub(log, -7 * limit), 0, 0
    count, last = #text / 7, now
    all = count
  end

  local first = all + 1
  if all > 0 and now - last < period then
    first = after(text, count, all, now - period)
  end
  local used = all + 1 - first
  local need = math.max(n, 1)
  local retry = 0
  if need > limit then
    retry = -1
  elseif used + need > limit then
    -- Somebody else may have written the log, so do not rely on its order.
    local freed = last
    local place = first + used + need - limit - 1
    if place <= count then freed = math.min(at(text, place), last) end
    retry = math.max(1, period - (now - freed))
  elseif n > 0 then
    last = math.max(now, last)
    used = used + n
    if more > 0 and last > instant then -- which does not happen within one script
      text, more = write(text, more, instant), 0
    end
    -- Making a text takes time in proportion to its length, even if there is an equal one
    -- already.
    if first > 1 then text = string.sub(text, 7 * first - 6) end
    more, instant = more + n, last
  end
  local reset = 0
  if used > 0 then reset = period - (now - last) end
  return retry, math.max(limit - used, 0), reset, text, more, instant
end
