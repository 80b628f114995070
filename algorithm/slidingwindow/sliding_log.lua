-- Sliding window log: the instant of every unit, so the window is exact.
--
-- State: the units taken in the last period, oldest first, each the instant at
-- which it was taken, in µs since 1970, as 7 bytes, the most significant first.
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

-- A state is a text; how many more units were taken since it was read, which write adds to
-- it; and the instant of all of these. So a step makes no long text, unless it leaves out
-- what is at the beginning, which only the first step of an instant has to do.

-- The first of the units that is later than t, or one more than they are. Of all of them,
-- only the first count are in text; the others are later. It is the first of all if that
-- is, also where somebody else has written them in another order: so what was kept once is
-- kept by all requests of one instant, as units that add up have to be.
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
    -- From a clock that was wrong: what is later than now is taken to be now.
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
    -- The order of a log that somebody else wrote is not to be relied upon.
    local freed = last
    local place = first + used + need - limit - 1
    if place <= count then freed = math.min(at(text, place), last) end
    retry = math.max(1, period - (now - freed))
  elseif n > 0 then
    last = math.max(now, last)
    used = used + n
    if more > 0 and last > instant then -- which no two steps of one script find
      text, more = write(text, more, instant), 0
    end
    -- To make a text takes long, by its length, even if it is one that there is already.
    if first > 1 then text = string.sub(text, 7 * first - 6) end
    more, instant = more + n, last
  end
  local reset = 0
  if used > 0 then reset = period - (now - last) end
  return retry, math.max(limit - used, 0), reset, text, more, instant
end
