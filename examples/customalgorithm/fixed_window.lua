-- Fixed window: so many units in each window, all windows of one length.
--
-- State: the units taken in one window.
--   taken  units taken; 0 is the state of an absent key
--   start  the instant at which the window began, in µs since 1970. It is not the
--          window's number, which would mean another time under another period.
-- Written as "start:taken".
--
-- Parameters: limit, period (µs). Windows begin at multiples of the period.
-- limit < 10^15 and period < 2^45, so that every sum is below 2^53.

local function read(text)
  local start, taken = string.match(text, '^(%d+):(%d+)$')
  if not start or #start > 16 or #taken > 15 then return 0, 0 end
  taken, start = tonumber(taken), tonumber(start)
  if start >= 9007199254740992 then return 0, 0 end -- 2^53: of no clock, and not exact
  return taken, start
end

local function write(taken, start)
  return string.format('%.0f:%.0f', start, taken)
end

local function step(taken0, start0, _, now, n, limit, period)
  local current = now - now % period
  local taken, start = taken0, start0 - start0 % period
  if start > current + period then
    -- From a clock that was wrong: all counts as taken just now, also after a
    -- denial, or it would be so at each request until the clock is there.
    start = current
    start0 = current
  elseif start < current then
    taken, start = 0, current
  end
  -- Otherwise start is in the current window; or in the next, as the clock has
  -- stepped back: then its units count on until that one ends.

  local stop = start + period - now
  local need = math.max(n, 1)
  local retry, reset = 0, 0
  if need > limit then
    retry = -1
  elseif need > limit - taken then
    retry = stop
  else
    taken = taken + n
    taken0, start0 = taken, start
  end
  if taken > 0 then reset = stop end
  return retry, math.max(limit - taken, 0), reset, taken0, start0
end
