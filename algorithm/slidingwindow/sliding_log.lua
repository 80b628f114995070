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

-- The first of the count units that is later than t, or count + 1. It is the first of
-- all if that is, also where somebody else has written them in another order: so what was
-- kept once is kept by all requests of one instant, as units that add up have to be.
local function after(text, count, t)
  if at(text, 1) > t then return 1 end
  local lo, hi = 2, count + 1
  while lo < hi do
    local mid = (lo + hi - (lo + hi) % 2) / 2
    if at(text, mid) > t then hi = mid else lo = mid + 1 end
  end
  return lo
end

local function read(text)
  if #text % 7 ~= 0 then return '' end
  return text
end

local function write(text)
  return text
end

local function step(text, _, _, now, n, limit, period)
  local log, count = text, #text / 7
  local last = now
  if count > 0 then
    last = at(log, count)
    if last - now > period or last >= 2^53 then
      -- From a clock that was wrong: what is later than now is taken to be now.
      local future = after(log, count, now)
      log = string.sub(log, 1, 7 * future - 7) .. string.rep(pack(now), count + 1 - future)
      log = string.sub(log, -7 * limit)
      text, count, last = log, #log / 7, now
    end
  end

  local first = count + 1
  if count > 0 and now - last < period then
    first = after(log, count, now - period)
  end
  local used = count + 1 - first
  local need = math.max(n, 1)
  local retry = 0
  if need > limit then
    retry = -1
  elseif used + need > limit then
    -- The order of a log that somebody else wrote is not to be relied upon.
    local freed = at(log, first + used + need - limit - 1)
    retry = math.max(1, period - (now - math.min(freed, last)))
  elseif n > 0 then
    last = math.max(now, last)
    used = used + n
    text = string.sub(log, 7 * first - 6) .. string.rep(pack(last), n)
  end
  local reset = 0
  if used > 0 then reset = period - (now - last) end
  return retry, math.max(limit - used, 0), reset, text
end
