-- The harness for several limits that are decided together: all or nothing.
--
-- KEYS  the states' keys, each once.
-- ARGV  the limits' parameters, one limit after the other; then two integers for
--       each limit of each decision: n, and the place of its key in KEYS. A key
--       belongs to one limit only.
-- Reply now, then three integers for each limit of each decision, in order:
--       retry, remaining, reset. Units are taken only if every retry is 0 of the
--       limits whose n is not. A retry of -2 says that the algorithm failed on
--       this state; then none are taken.
--
-- Before this text stand: limits, a list of {read, step, write, place of the
-- first parameter}; first, the place of the first decision in ARGV.

local width = #limits
local params = {}
for j = 1, width do
  params[j] = {}
  local stop = limits[j + 1] and limits[j + 1][4] or first
  for i = limits[j][4], stop - 1 do
    params[j][#params[j] + 1] = tonumber(ARGV[i])
  end
end

-- MGET gives nothing, and no error, for a key of another type: PSETEX mends it.
local texts = redis.call('MGET', unpack(KEYS))

-- As in single.lua.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function life(reset)
  local ms = math.ceil(reset / 1000) + 2
  if ms < 2147483648 then return string.format('%d', ms) end
  return ms
end

local as, bs, cs, resets, owner = {}, {}, {}, {}, {}
local reply, last = {now}, 1

local function decide(j, key, n)
  local p, ok, retry, remaining, reset, a, b, c = params[j], true
  if not owner[key] then
    ok, a, b, c = pcall(limits[j][1], texts[key] or '')
    if ok then owner[key], as[key], bs[key], cs[key] = j, a, b, c end
  end
  if ok then
    ok, retry, remaining, reset, a, b, c =
      pcall(limits[j][2], as[key], bs[key], cs[key], now, n, p[1], p[2], p[3], p[4], p[5], p[6])
  end
  if not ok then return -2, 0, 0 end
  return retry, remaining, reset, a, b, c
end

for i = first, #ARGV, 2 * width do
  local ns, keys, found, all = {}, {}, {}, true
  for j = 1, width do
    local n, key = tonumber(ARGV[i + 2 * j - 2]), tonumber(ARGV[i + 2 * j - 1])
    ns[j], keys[j], found[j] = n, key, {decide(j, key, n)}
    local retry = found[j][1]
    all = all and (retry == 0 or n == 0 and retry ~= -2)
  end
  for j = 1, width do
    local n, key, f = ns[j], keys[j], found[j]
    if f[1] == 0 and not all then
      -- Another limit said no: this one's numbers are those of a look.
      local _, remaining, reset = decide(j, key, 0)
      f[2], f[3] = remaining, reset
    elseif n > 0 and f[1] ~= -2 and (f[4] ~= as[key] or f[5] ~= bs[key] or f[6] ~= cs[key]) then
      as[key], bs[key], cs[key], resets[key] = f[4], f[5], f[6], f[3]
    end
    reply[last + 1], reply[last + 2], reply[last + 3] = f[1], f[2], f[3]
    last = last + 3
  end
end

-- All texts before the first write: what fails has then changed nothing.
for key in pairs(resets) do texts[key] = limits[owner[key]][3](as[key], bs[key], cs[key]) end
for key, reset in pairs(resets) do
  if reset > 0 then
    redis.call('PSETEX', KEYS[key], life(reset), texts[key])
  else
    redis.call('DEL', KEYS[key])
  end
end
return reply
