-- Sliding window counter: two fixed windows stand for the sliding one.
--
-- State: the units taken in two windows.
--   c  units taken in the current window, 0..limit
--   p  units taken in the one before, 0..limit
--   s  the instant at which the current window began, in µs since 1970
--   k  a promise of how long the key is kept, 1 to 8; 0 promises nothing
--
-- The text is k (nothing if k is 0), s in whole seconds, then c and p in four digits each:
-- an integer that Redis stores in the pointer itself, and that can be added to without a new
-- time to live. If that form cannot hold the values, the text is "s:c:p:k", with s in µs. The
-- next text of the same window can overwrite it, again without a new time to live.
--
-- Parameters: limit, period (µs). Windows begin at multiples of the period.
-- limit^2 < 2^53 and period <= 2^51.
--
-- The window before weighs ceil(p * x / period), where x is how much of the current one is
-- left. That product may pass 2^53, so the inverse of this function is used.

-- left returns the most that may be left of a window for p units to weigh no more than k:
-- k * period / p, rounded down. 0 <= k <= p and p > 0.
local function left(k, p, period)
  local r = period % p
  return k * ((period - r) / p) + (k * r - k * r % p) / p
end

-- weight returns what p units weigh with x of the window left: the least k with left(k) >= x.
-- p > 0.
local function weight(p, x, period)
  -- The estimate is off by one at most; the loops make it exact.
  local k = math.floor(p * x / period)
  while k > 0 and left(k - 1, p, period) >= x do k = k - 1 end
  while left(k, p, period) < x do k = k + 1 end
  return k
end

-- A key with the promise k is kept until long[k] seconds after s, which is two periods of a
-- usual length.
local long = {2, 10, 30, 120, 600, 1800, 7200, 172800}

local byte, cut, find, format = string.byte, string.sub, string.find, string.format

-- k is 10 more if the text is not an integer.
local function read(text)
  local size = #text
  if (size == 18 or size == 19) and find(text, '^%d+$') then
    local k = size == 19 and byte(text) - 48 or nil
    local seconds = cut(text, -18, -9) + 0
    if seconds < 1000000000 or k and not long[k] then return 0, 0, 0 end -- none that write makes
    -- Byte by byte, because some Lua reads as octal what begins with 0.
    local d, e, f, g, h, i, j, l = byte(text, -8, -1)
    return ((d * 10 + e) * 10 + f) * 10 + g - 53328, ((h * 10 + i) * 10 + j) * 10 + l - 53328, seconds * 1000000, k
  end
  local s, c, p, k = string.match(text, '^(%d+):(%d+):(%d+):(%d)$')
  if not s or #s > 16 or #c > 15 or #p > 15 or tonumber(s) >= 2^53 then return 0, 0, 0 end
  return tonumber(c), tonumber(p), tonumber(s), k + 10
end

local function separate(c, p, s, k) return format('%.0f:%.0f:%.0f:%d', s, c, p, k) end

local function write(c, p, s, till)
  local k, kept = 0
  if till then
    for i = 1, 8 do
      local span = long[i] * 1000000
      if span >= till - s then
        -- A promise may last longer than it must, but only up to three times as long.
        if span <= 3 * (till - s) then k, kept = i, s + span end
        break
      end
    end
  end
  if c < 10000 and p < 10000 and s % 1000000 == 0 and s >= 1000000000000000 then
    -- %d is faster than %.0f, but may be for 32 bits only.
    local seconds = s / 1000000
    local low = seconds % 100000
    return format('%s%d%05d%04d%04d', k > 0 and k or '', (seconds - low) / 100000, low, c, p), kept
  end
  return separate(c, p, s, k), kept
end

local function add(c0, p0, s0, k, c, p, s, till)
  if not k or s ~= s0 or p ~= p0 then return nil end
  local whole = k < 10
  local span = long[whole and k or k - 10]
  if not span or s + span * 1000000 < till then return nil end
  if not whole then return nil, separate(c, p, s, k - 10) end
  if c > 9999 then return nil end
  if c - c0 == 1 then return '10000' end -- as below, without its cost
  return format('%d', (c - c0) * 10000)
end

local function step(c0, p0, s0, now, n, limit, period)
  local c, p, s = c0, p0, now - now % period
  if c > limit then c = limit end
  if p > limit then p = limit end
  if s0 > now then
    -- The clock has stepped back: the window counts as it did at its beginning, unless that
    -- is further away than a period. Then all units count as taken just now.
    if s0 - now > period then
      c, p = math.min(c + p, limit), 0
      c0, p0, s0 = c, p, s
    end
    s = s0
  elseif s0 < s - period then
    c, p = 0, 0
  elseif s0 < s then
    -- A window that begins where none of this limit's does is of another period: the units
    -- of both its counts may be as young as those of the later one.
    if s0 > s - period then c = math.min(c + p, limit) end
    p = c
    c = 0
  elseif s0 > s then
    c, p = math.min(c + p, limit), 0
  end

  local stop = period - (now - s) -- until the window ends; s + period may pass 2^53
  local need = n > 1 and n or 1
  local free = limit - c
  if p > 0 then free = free - weight(p, stop < period and stop or period, period) end
  local retry = 0
  if need > limit then
    retry = -1
  elseif need > free then
    if c + need <= limit then
      retry = stop - left(limit - c - need, p, period)
    else
      retry = stop + period - left(limit - need, c, period)
    end
  else
    c, free = c + n, free - n
    c0, p0, s0 = c, p, s
  end
  local reset = 0
  if c > 0 then reset = stop + period elseif p > 0 then reset = stop end
  return retry, free > 0 and free or 0, reset, c0, p0, s0
end
