-- The harness for one limit: many decisions over many keys.
--
-- KEYS  the states' keys, each once.
-- ARGV  the limit's parameters; then two integers for each decision: n, and the
--       place of its key in KEYS.
-- Reply now, then three integers for each decision, in order: retry, remaining,
--       reset. A retry of -2 says that the algorithm failed on this state.
--
-- Before this text stand: now; read, step and write; first, the place of the
-- first decision in ARGV; p1 to p6, the parameters.

-- One decision alone needs no tables. It is the same as below.
if #KEYS == 1 and #ARGV == first + 1 then
  local key, n = KEYS[1], tonumber(ARGV[first])
  local text = redis.pcall('GET', key)
  if type(text) == 'table' then
    -- Of another type, perhaps: see below. Any other error is raised by this.
    text = redis.call('MGET', key)[1]
  end
  local a, b, c = read(text or '')
  local retry, remaining, reset, a2, b2, c2 = step(a, b, c, now, n, p1, p2, p3, p4, p5, p6)
  if n > 0 and (a2 ~= a or b2 ~= b or c2 ~= c) then
    if reset > 0 then
      redis.call('SET', key, write(a2, b2, c2), 'PX', math.ceil(reset / 1000) + 1)
    else
      redis.call('DEL', key)
    end
  end
  return {now, retry, remaining, reset}
end

-- MGET gives nothing, and no error, for a key of another type: SET mends it.
local texts = redis.call('MGET', unpack(KEYS))
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
    redis.call('SET', KEYS[key], texts[key], 'PX', math.ceil(reset / 1000) + 1)
  else
    redis.call('DEL', KEYS[key])
  end
end
return reply
