-- The harness for several limits that are decided together: all or nothing.
--
-- KEYS  the states' keys, each once.
-- ARGV  the limits' parameters, one limit after the other; then two integers for
--       each limit of each decision: n, and the place of its key in KEYS. A key
--       belongs to one limit only.
-- Reply now, then three integers for each limit of each decision, in order:
--       retry, remaining, reset. Units are taken only if the retry is 0 of every
--       limit whose n is not 0. A retry of -2 says that the algorithm failed on
--       this state; then no units are taken.
--
-- The text before this one defines limits, a list of {read, step, write, place of the first
-- parameter, add}; change; and first, the place of the first decision in ARGV.

local width = #limits
local params = {}
for j = 1, width do
  params[j] = {}
  local stop = limits[j + 1] and limits[j + 1][4] or first
  for i = limits[j][4], stop - 1 do
    params[j][#params[j] + 1] = ARGV[i] + 0
  end
end

-- MGET gives nothing for a key of another type, and no error; PSETEX overwrites such a key.
local texts = redis.call('MGET', unpack(KEYS))

-- As in single.lua.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local as, bs, cs, resets, owner = {}, {}, {}, {}, {}
local reply, last = {now}, 1

local function decide(j, key, n)
  local l, p, ok, retry, remaining, reset, a, b, c = limits[j], params[j], true
  if not owner[key] then
    ok, a, b, c = pcall(l[1], texts[key] or '')
    if ok then owner[key], as[key], bs[key], cs[key] = j, a, b, c end
  end
  if ok then
    ok, retry, remaining, reset, a, b, c =
      pcall(l[2], as[key], bs[key], cs[key], now, n, p[1], p[2], p[3], p[4], p[5], p[6])
  end
  if not ok then return -2, 0, 0 end
  return retry, remaining, reset, a, b, c
end

-- What each limit was asked in the current decision, and what it answered.
local ns, keys, retries, remains, resets2, as2, bs2, cs2 = {}, {}, {}, {}, {}, {}, {}, {}
for i = first, #ARGV, 2 * width do
  local all = true
  for j = 1, width do
    local n, key = ARGV[i + 2 * j - 2] + 0, ARGV[i + 2 * j - 1] + 0
    ns[j], keys[j] = n, key
    retries[j], remains[j], resets2[j], as2[j], bs2[j], cs2[j] = decide(j, key, n)
    all = all and (retries[j] == 0 or n == 0 and retries[j] ~= -2)
  end
  for j = 1, width do
    local key, retry, remaining, reset = keys[j], retries[j], remains[j], resets2[j]
    if retry == 0 and not all then
      -- Another limit denies, so this one reports what a look would.
      local _
      _, remaining, reset = decide(j, key, 0)
    elseif ns[j] > 0 and retry ~= -2 and (as2[j] ~= as[key] or bs2[j] ~= bs[key] or cs2[j] ~= cs[key]) then
      as[key], bs[key], cs[key], resets[key] = as2[j], bs2[j], cs2[j], reset
    end
    reply[last + 1], reply[last + 2], reply[last + 3] = retry, remaining, reset
    last = last + 3
  end
end

-- Make all texts before the first write, so that a failure changes nothing.
local lives, call = {}, redis.call
for key, reset in pairs(resets) do
  if reset > 0 then
    local l = limits[owner[key]]
    lives[key], texts[key] = change(l[1], l[3], l[5], now, texts[key], reset, as[key], bs[key], cs[key])
  else
    lives[key] = 0
  end
end
