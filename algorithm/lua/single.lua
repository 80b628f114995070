-- The harness for one limit: many decisions over many keys.
--
-- KEYS  the states' keys, each once.
-- ARGV  the limit's parameters; then two integers for each decision: n, and the
--       place of its key in KEYS.
-- Reply now, then three integers for each decision, in order: retry, remaining,
--       reset. A retry of -2 says that the algorithm failed on this state.
--
-- Before this text stand: read, step and write; first, the place of the first
-- decision in ARGV; p1 to p6, the parameters.

-- One decision alone needs no tables. It is the same as below.
local alone, texts = #KEYS == 1 and #ARGV == first + 1
if alone then
  texts = redis.pcall('GET', KEYS[1])
  -- Of another type, perhaps: see below. Any other error is raised by this.
  if type(texts) == 'table' then texts = redis.call('MGET', KEYS[1])[1] end
else
  -- MGET gives nothing, and no error, for a key of another type: SET mends it.
  texts = redis.call('MGET', unpack(KEYS))
end

-- Redis's clock, in µs since 1970. It is read once, since two readings in one
-- script may differ; and after the states, so that none has ended before now
-- that was still there to be read.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- A state lives for its reset, in ms rounded up, and 2 ms more: Redis counts
-- expiry from the script's beginning, which is earlier than now, in whole ms.

if alone then
  local key, n = KEYS[1], tonumber(ARGV[first])
  local a, b, c = read(texts or '')
  local retry, remaining, reset, a2, b2, c2 = step(a, b, c, now, n, p1, p2, p3, p4, p5, p6)
  if n > 0 and (a2 ~= a or b2 ~= b or c2 ~= c) then
    if reset > 0 then
      redis.call('SET', key, write(a2, b2, c2), 'PX', math.ceil(reset / 1000) + 2)
    else
      redis.call('DEL', key)
    end
  end
  return {now, retry, remaining, reset}
end

local as, bs, cs, resets = {}, {}, {}, {}
local reply, last = {now}, 1

for i = first, #ARGV, 2 do
  local n, key = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  local a, b, c = as[key], bs[key], cs[key]
  local ok, retry, remaining, reset, a2, b2, c2 = true
  if a == nil then
    ok, a, b, c = pcall(read, texts[key] or '')
    if ok then as[key], bs[key], cs[key] = a, b, c end
  end
  if ok then
    ok, retry, remaining, reset, a2, b2, c2 = pcall(step, a, b, c, now, n, p1, p2, p3, p4, p5, p6)
  end
  if not ok then
    retry, remaining, reset = -2, 0, 0
  elseif n > 0 and (a2 ~= a or b2 ~= b or c2 ~= c) then
    as[key], bs[key], cs[key], resets[key] = a2, b2, c2, reset
  end
  reply[last + 1], reply[last + 2], reply[last + 3] = retry, remaining, reset
  last = last + 3
end

-- All texts before the first write: what fails has then changed nothing.
for key in pairs(resets) do texts[key] = write(as[key], bs[key], cs[key]) end
for key, reset in pairs(resets) do
  if reset > 0 then
    redis.call('SET', KEYS[key], texts[key], 'PX', math.ceil(reset / 1000) + 2)
  else
    redis.call('DEL', KEYS[key])
  end
end
return reply
