-- The harness for one limit: many decisions over many keys.
--
-- KEYS  the states' keys, each once.
-- ARGV  the limit's parameters; then two integers for each decision: n, and the
--       place of its key in KEYS, to which 65536 is added for each further
--       request of n units that follows at once. One integer more, in the end,
--       is the place from which on each key has one decision, of one unit, and
--       none of those.
-- Reply now, then three integers for each decision, in order: retry, remaining,
--       reset. A retry of -2 says that the algorithm failed on this state. What
--       is not allowed would not be right after either, so of requests that
--       follow at once there is nothing after the first that is not. Those that
--       are allowed, each with n less remaining and the same more to reset than
--       the one before, are not told one by one: -3, how many, how much more.
--
-- Where the keys are in several hash slots, ARGV begins with how many they are, and
-- with them, and there are no KEYS. If not all can be read, as they are not all on this
-- server, the reply is an error that begins with CROSSSLOT, and nothing was written.
--
-- Before this text stand: read, step, write, and add, which may be nil; change; across, whether it is so, and then KEYS; additive, what the Plan says of step; first, the place of the
-- first decision in ARGV; p1 to p6, the parameters.

-- One decision alone needs no tables. It is the same as below. ARGV[first] is its n; or,
-- where nothing follows, the place from which on each key has one of one unit: 1 as well.
local alone, texts = not across and #KEYS == 1 and (ARGV[first + 1] or '1') == '1' and not ARGV[first + 2]
if alone then
  texts = redis.pcall('GET', KEYS[1])
  -- Of another type, perhaps: see below. Any other error is raised by this.
  if type(texts) == 'table' then texts = redis.call('MGET', KEYS[1])[1] end
elseif across then
  -- Redis refuses each GET of a key that is another server's, or that is on its way to
  -- one and may be there already; and an MGET of several slots.
  local pcall = redis.pcall
  texts = {}
  for i = 1, #KEYS do
    local text = pcall('GET', KEYS[i])
    if type(text) == 'table' then
      text = pcall('MGET', KEYS[i])
      if text.err then return redis.error_reply('CROSSSLOT Not all keys can be read here: ' .. text.err) end
      text = text[1]
    end
    texts[i] = text
  end
else
  -- MGET gives nothing, and no error, for a key of another type: PSETEX mends it.
  texts = redis.call('MGET', unpack(KEYS))
end

-- Redis's clock, in µs since 1970. It is read once, since two readings in one
-- script may differ; and after the states, so that none has ended before now
-- that was still there to be read.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

if alone then
  local key, n = KEYS[1], ARGV[first] + 0 -- a number, in less time than by tonumber
  local a, b, c, k = read(texts or '')
  local retry, remaining, reset, a2, b2, c2 = step(a, b, c, now, n, p1, p2, p3, p4, p5, p6)
  if n > 0 and (a2 ~= a or b2 ~= b or c2 ~= c) then
    if reset > 0 then
      local lives, text = change(read, write, add, now, texts, reset, a2, b2, c2, a, b, c, k)
      if lives == true then
        redis.call('INCRBY', key, text)
      elseif lives == false then
        redis.call('SETRANGE', key, '0', text)
      else
        redis.call('PSETEX', key, lives, text)
      end
    else
      redis.call('DEL', key)
    end
  end
  return {now, retry, remaining, reset}
end

-- as, bs and cs are the states that further decisions may go by, texts those
-- that are final.
local as, bs, cs, resets = {}, {}, {}, {}
-- Of what is to be written, how long that is to live which is in texts: 0 if not at all,
-- true if it is to be added to what is there, and false if it is to be put in its place.
local lives = {}
local reply, last = {now}, 1
local KEYS, ARGV, call = KEYS, ARGV, redis.call
local i, ones = first, #KEYS + 1
if (#ARGV - first) % 2 == 0 then ones = ARGV[#ARGV] + 0 end

-- What a step that fails is not to take along, of the requests before it: the
-- state of their key, its reset if it is to be written, and how many of them the
-- reply lacks yet, with how much more to reset. No other function may use these:
-- an embedded Redis lets go of what they share when one fails.
local key, a, b, c, taken
local count, more = 0, 0

local function decide(failed)
  while true do
    if taken then
      as[key], bs[key], cs[key], resets[key] = a, b, c, taken
      taken = nil
    end
    if count > 0 then
      reply[last + 1], reply[last + 2], reply[last + 3] = -3, count, more
      last, count = last + 3, 0
    end
    if failed then
      reply[last + 1], reply[last + 2], reply[last + 3] = -2, 0, 0
      last, failed = last + 3, false
    end
    if not ARGV[i + 1] then break end
    i = i + 2 -- first of all: what fails is not tried again
    local n, place = ARGV[i - 2] + 0, ARGV[i - 1] + 0
    key = place % 65536
    local follow = (place - key) / 65536
    a, b, c = as[key], bs[key], cs[key]
    if a == nil then
      a, b, c = read(texts[key] or '')
      as[key], bs[key], cs[key] = a, b, c
    end
    local left, before = -1, 0 -- none, so that the first is told as it is
    local leap = additive and n > 0
    repeat
      local retry, remaining, reset, a2, b2, c2 = step(a, b, c, now, n, p1, p2, p3, p4, p5, p6)
      if n > 0 and (a2 ~= a or b2 ~= b or c2 ~= c) then
        a, b, c, taken = a2, b2, c2, reset
      end
      if retry == 0 and remaining == left - n and (reset - before == more or count == 0) then
        count, more = count + 1, reset - before
        if leap then
          -- All that may be allowed of those that follow, at once.
          leap = false
          local k = math.min(follow, (remaining - remaining % n) / n)
          if k > 1 then
            local no, rest, long, a3, b3, c3 = step(a, b, c, now, k * n, p1, p2, p3, p4, p5, p6)
            if no == 0 and rest == remaining - k * n and long == reset + k * more then
              a, b, c, taken = a3, b3, c3, long
              count, follow, remaining, reset = count + k, follow - k, rest, long
            end
          end
        end
      else
        if count > 0 then
          reply[last + 1], reply[last + 2], reply[last + 3] = -3, count, more
          last, count = last + 3, 0
        end
        reply[last + 1], reply[last + 2], reply[last + 3] = retry, remaining, reset
        last = last + 3
      end
      left, before = remaining, reset
      follow = follow - 1
    until follow < 0 or retry ~= 0
  end
  local at = last
  for key = ones, #KEYS do
    ones = key + 1
    local text = texts[key]
    local a, b, c, k = read(text or '')
    local retry, remaining, reset, a2, b2, c2 = step(a, b, c, now, 1, p1, p2, p3, p4, p5, p6)
    if a2 ~= a or b2 ~= b or c2 ~= c then
      if reset > 0 then
        lives[key], texts[key] = change(read, write, add, now, text, reset, a2, b2, c2, a, b, c, k)
      else
        lives[key] = 0
      end
    end
    reply[at + 1] = retry -- one after the other: Lua needs half as many instructions
    reply[at + 2] = remaining
    reply[at + 3] = reset
    at = at + 3
    last = at
  end
end

-- Where read or step fails, the decision has failed; the others go on.
local failed = false
while not pcall(decide, failed) do failed = true end

-- All texts before the first write: what fails has then changed nothing.
for key, a in pairs(as) do
  local reset = resets[key]
  if reset and reset > 0 then
    lives[key], texts[key] = change(read, write, add, now, texts[key], reset, a, bs[key], cs[key])
  elseif reset then
    lives[key] = 0
  end
end
