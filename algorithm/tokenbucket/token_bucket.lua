-- Token bucket, exact and in integers only.
--
-- State: units owed (taken and not come back yet), and since when.
--   u  units owed, 0..burst; 0 is a full bucket, the state of an absent key
--   t  the instant at which exactly u units were owed, in µs since 1970
--   f  what that instant has beyond t, in d-ths of a µs: 0 <= f < d
--   k  a promise of how long the key is kept, 1 to 9; 0 promises nothing
-- With up to 921 units owed at a whole µs, the text is the digits of u, then k, then the 15
-- digits of t - epoch: an integer that Redis stores in the pointer itself, and that can be
-- added to without a new time to live. Otherwise the text is "t.u.f.k", with u and f padded
-- with spaces to four places. So the next text is usually as long and can overwrite it, again
-- without a new time to live. (Some Lua would read u and f as octal if they began with zeros.)
--
-- Parameters: burst, q, m, d. One unit comes back every q + m/d µs, 0 <= m < d.
-- burst * d < 2^53 and burst * (q + 1) < 2^53; step keeps u within burst.

-- due returns the least whole number of µs after t by which k units have come back.
local function due(k, f, q, m, d)
  local x = f + k * m
  return k * q + (x + -x % d) / d
end

-- An instant in 2020, so that the 15 digits of t - epoch do not begin with 0 from November
-- 2023 until 2052. (Some Lua reads as octal what begins with 0.)
local epoch = 1600000000000000

-- A key with the promise k is kept until the third multiple of grid[k] after t. That is the
-- same for all t between two multiples, so that t can move on. In µs, from 2 s to 36 h.
local grid = {2000000, 8000000, 32000000, 128000000, 512000000, 2048000000, 8192000000, 32768000000, 131072000000}

local byte, cut, find, format = string.byte, string.sub, string.find, string.format

-- Digits are written by %d, in pieces that fit 32 bits: it is faster than %.0f, but may be
-- for 32 bits only.

-- k is 10 more if the text is not an integer.
local function read(text)
  local size = #text
  if size > 16 and size < 20 and find(text, '^[1-9]%d+$') then
    local a, b, c, d = byte(text, 1, size - 15)
    local u, k = a - 48, b - 48
    if c then u, k = u * 10 + k, c - 48 end
    if d then u, k = u * 10 + k, d - 48 end
    local on = cut(text, -15) + 0
    if u > 921 or on < 100000000000000 then return 0, 0, 0 end -- none that write makes
    return u, on + epoch, 0, k
  end
  local t, u, f, k = string.match(text, '^(%d+)%. *(%d+)%. *(%d+)%.(%d)$')
  if t and #t < 17 and #u < 17 and #f < 17 then
    t = tonumber(t) -- not by adding 0: some Lua would read what begins with 0 as octal
    if t < 2^53 then return tonumber(u), t, tonumber(f), k + 10 end
  end
  return 0, 0, 0
end

local function separate(u, t, f, k)
  local low = t % 1000000000
  local form = u < 2147483648 and f < 2147483648 and '%d%09d.%4d.%4d.%d' or '%d%09d.%4.0f.%4.0f.%d'
  return format(form, (t - low) / 1000000000, low, u, f, k)
end

local function write(u, t, f, till)
  local k, kept = 0
  if till then
    for i = 1, 9 do
      if 2 * grid[i] >= till - t then
        k, kept = i, t - t % grid[i] + 3 * grid[i]
        break
      end
    end
  end
  if f == 0 and 0 < u and u < 922 and t - epoch >= 100000000000000 and t - epoch < 1000000000000000 then
    local low = (t - epoch) % 1000000000
    return format('%d%06d%09d', u * 10 + k, (t - epoch - low) / 1000000000, low), kept
  end
  return separate(u, t, f, k), kept
end

local function add(u0, t0, f0, k, u, t, f, till)
  if not k or t < t0 then return nil end
  local whole = k < 10
  local g = grid[whole and k or k - 10]
  if not g then return nil end
  local cell = t0 - t0 % g
  if cell + 3 * g < till or t >= cell + g then return nil end
  if not whole then return nil, separate(u, t, f, k - 10) end
  if f ~= 0 or u < 1 or u > 921 or t - epoch >= 1000000000000000 then return nil end
  local more, on = (u - u0) * 10, t - t0
  if more == 0 then return format('%.0f', on) end
  if on == 0 and more == 10 then return '10000000000000000' end -- as below, without its cost
  local form = '%d%06d%09d'
  if more < 0 and on > 0 then
    -- The digits of a negative sum: one is borrowed from more.
    form, more, on = '-%d%06d%09d', -1 - more, 1000000000000000 - on
  end
  local low = on % 1000000000
  return format(form, more, (on - low) / 1000000000, low)
end

local function step(u0, t0, f0, now, n, burst, q, m, d)
  local u, t, f = u0, t0, f0
  if u > burst then u = burst end
  if f >= d then t, f = t + 1, 0 end
  if u == 0 then
    t, f = now, 0
  elseif t > now then
    -- The clock has stepped back: nothing comes back until it is at t again, unless t is
    -- further away than a whole refill. Then the units count as owed from now on.
    if t - now > due(burst, 0, q, m, d) then
      t, f = now, 0
      u0, t0, f0 = u, t, f
    end
  else
    local e = now - t
    if e < q then
      -- Nothing has come back.
    elseif due(u, f, q, m, d) <= e then
      u, t, f = 0, now, 0
    elseif due(1, f, q, m, d) <= e then
      -- The estimate is off by one at most; the loops make it exact. Without f it would be
      -- off by as many units as come back in 1 µs.
      local k = math.floor((e - f / d) / (q + m / d))
      while due(k, f, q, m, d) > e do k = k - 1 end
      while due(k + 1, f, q, m, d) <= e do k = k + 1 end
      local x = f + k * m
      u, t, f = u - k, t + k * q + (x - x % d) / d, x % d
    end
  end

  local need = n > 1 and n or 1
  local missing = u + need - burst
  local retry = 0
  if need > burst then
    retry = -1
  elseif missing > 0 then
    retry = due(missing, f, q, m, d) - (now - t)
  else
    u = u + n
    u0, t0, f0 = u, t, f
  end
  local reset = 0
  if u > 0 then reset = due(u, f, q, m, d) - (now - t) end
  return retry, burst - u, reset, u0, t0, f0
end
