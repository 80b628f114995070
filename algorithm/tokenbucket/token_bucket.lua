-- Token bucket, exact and in integers only.
--
-- State: units owed (taken and not come back yet), and since when.
--   u  units owed, 0..burst; 0 is a full bucket, the state of an absent key
--   t  the instant at which just u units were owed, in µs since 1970
--   f  what that instant has beyond whole µs, in d-ths of one: 0 <= f < d
-- Written as the digits of u, then t in 16 digits, then "." and f where f > 0:
-- up to 921 units owed at a whole µs, that is an integer that Redis stores in
-- the pointer itself.
--
-- Parameters: burst, q, m, d. One unit comes back every q + m/d µs, 0 <= m < d.
-- With u, burst <= B: B * d < 2^53 and B * (q + 1) < 2^53.

-- The least whole number of µs after t by which k units have come back.
local function due(k, f, q, m, d)
  local x = f + k * m
  return k * q + (x + -x % d) / d
end

-- The number that 16 digits are, of which these are the bytes. tonumber is slow
-- where there are so many, and needs a string of them alone, which Lua has to make.
-- No sum on the way passes 2^53 but where the number itself does.
local function number(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
  return (((((((a * 10 + b) * 10 + c) * 10 + d) * 10 + e) * 10 + f) * 10 + g) * 10 + h - 533333328) * 100000000
    + (((((((i * 10 + j) * 10 + k) * 10 + l) * 10 + m) * 10 + n) * 10 + o) * 10 + p - 533333328)
end

local function read(text)
  if #text > 16 and #text < 20 and string.find(text, '^%d+$') then
    -- The same as below, faster.
    local t, u, more = number(string.byte(text, -16, -1)), string.byte(text, 1, -17)
    if t >= 2^53 then return 0, 0, 0 end
    if more then return tonumber(string.sub(text, 1, -17)), t, 0 end
    return u - 48, t, 0
  end
  local u, t, f = string.match(text, '^(%d+)(%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d)%.?(%d*)$')
  if not u or #u > 16 or #f > 16 or tonumber(t) >= 2^53 then return 0, 0, 0 end
  return tonumber(u), tonumber(t), tonumber(f) or 0
end

local function write(u, t, f)
  if f == 0 and u < 2147483648 then
    -- The same by %d, which is faster and may be for 32 bits only.
    local low = t % 1000000000
    local high = (t - low) / 1000000000
    if 0 < u and u < 200 then return string.format('%d%09d', u * 10000000 + high, low) end
    return string.format('%d%07d%09d', u, high, low)
  elseif f == 0 then
    return string.format('%.0f%016.0f', u, t)
  end
  return string.format('%.0f%016.0f.%.0f', u, t, f)
end

local function step(u0, t0, f0, now, n, burst, q, m, d)
  local u, t, f = u0, t0, f0
  if u > burst then u = burst end
  if f >= d then t, f = t + 1, 0 end
  if u == 0 then
    t, f = now, 0
  elseif t > now then
    -- The clock has stepped back: nothing comes back until it is at t again,
    -- unless that is further away than a whole refill.
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
      -- The estimate is off by one at most; the loops make it exact.
      local k = math.floor(e / (q + m / d))
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
