-- The harness for one limit: many decisions over many keys.
--
-- KEYS  the states' keys, each once.
-- ARGV  the limit's parameters; then two integers for each decision: n, and the
--       place of its key in KEYS, plus 65536 for each further request for n units
--       that follows at once. If one more integer comes last, it is a place in
--       KEYS: each key from there on has one decision, for one unit, and no others.
-- Reply now, then three integers for each decision, in order: retry, remaining,
--       reset. A retry of -2 says that the algorithm failed on this state. After a
--       request that is not allowed, the same request would not be allowed either,
--       so the reply leaves out those that follow it at once. Allowed requests that
--       differ from the one before by the same amounts, n less remaining and some
--       more to reset, are told together: -3, how many, how much more.
--
-- If the keys are in several hash slots, ARGV begins with their number and the keys, and
-- there are no KEYS. If some of them cannot be read, because they are not on this server,
-- the reply is an error that begins with CROSSSLOT, and nothing was written.
--
-- The text before this one defines read, step, write, and add, which may be nil; change;
-- across, whether the keys are in several slots, and KEYS if they are; additive, from the
-- Plan; first, the place of the first decision in ARGV; and p1 to p6, the parameters.

-- A decision alone needs no tables, but is made in the same way as below. ARGV[first] is its
-- n. Or, if nothing follows, ARGV[first] is the place from which on each key has a decision
-- for one unit: that place is 1, which is this n too.
local alone, texts = not across and #KEYS == 1 and (ARGV[first + 1] or '1') == '1' and not ARGV[first + 2]
if alone then
  texts = redis.pcall('GET', KEYS[1])
  -- The key may be of another type: see below. MGET raises any other error.
  if type(texts) == 'table' then texts = redis.call('MGET', KEYS[1])[1] end
elseif across then
  -- Redis refuses to GET a key that belongs to another server, or is on its way to one and
  -- may be there already. It refuses an MGET of several slots, so each key is read by
  -- itself.
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
  -- MGET gives nothing for a key of another type, and no error; PSETEX overwrites such a
  -- key.
  texts = redis.call('MGET', unpack(KEYS))
end

-- Redis's clock, in µs since 1970. It is read once, because two readings in one script may
-- differ. It is read after the states, so that a state that had expired when it was read has
-- ended by now.
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

-- as, bs and cs hold the states from which further decisions go on. texts holds what was
-- read, and in the end what to write.
local as, bs, cs, resets = {}, {}, {}, {}
-- How to write each key: a number or its text is the ms for which texts[key] lives; 0
-- deletes the key; true adds texts[key] to the value that is there; false overwrites that.
local lives = {}
local reply, last = {now}, 1
local KEYS, ARGV, call = KEYS, ARGV, redis.call
local i, ones = first, #KEYS + 1
if (#ARGV - first) % 2 == 0 then ones = ARGV[#ARGV] + 0 end

-- If a step fails, what the requests before it have done must not be lost: the state of
-- their key; its reset, if the state must be written; and how many outcomes the reply still
-- lacks, with how much more to reset. Only decide may use these variables, because the Lua
-- of an embedded Redis drops variables that functions share when one of the functions fails.
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
    i = i + 2 -- first of all, so that what fails is not tried again
    local n, place = ARGV[i - 2] + 0, ARGV[i - 1] + 0
    key = place % 65536
    local follow = (place - key) / 65536
    a, b, c = as[key], bs[key], cs[key]
    if a == nil then
      a, b, c = read(texts[key] or '')
      as[key], bs[key], cs[key] = a, b, c
    end
    local left, before = -1, 0 -- matches no outcome, so that the first is told in full
    local leap = additive and n > 0
    repeat
      local retry, remaining, reset, a2, b2, c2 = step(a, b, c, now, n, p1, p2, p3, p4, p5, p6)
      if n > 0 and (a2 ~= a or b2 ~= b or c2 ~= c) then
        a, b, c, taken = a2, b2, c2, reset
      end
      if retry == 0 and remaining == left - n and (reset - before == more or count == 0) then
        count, more = count + 1, reset - before
        if leap then
          -- Take all of the following requests that may be allowed, in one step.
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

-- If read or step fails, its decision has failed; the others go on.
local failed = false
while not pcall(decide, failed) do failed = true end

-- Make all texts before the first write, so that a failure changes nothing.
for key, a in pairs(as) do
  local reset = resets[key]
  if reset and reset > 0 then
    lives[key], texts[key] = change(read, write, add, now, texts[key], reset, a, bs[key], cs[key])
  elseif reset then
    lives[key] = 0
  end
end
