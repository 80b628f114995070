-- How to write the state a, b, c at now, after what text was, if there was any, which may
-- have been read already, with what it promises, k: for how many ms, and as what; or true,
-- and what to add; or false, and what to put in place of text. read, write and add are the
-- algorithm's; add may be nil.
--
-- A state lives for its reset, rounded up, and 2 ms more: Redis counts from the script's
-- beginning, which is earlier than now, in whole ms. But who has come back may come
-- again: theirs lives for as long as write promises, so that it can be added to. A second
-- more is for a server that is held up before it reads its clock. The ms are text, which
-- takes Redis less time; but %d is for 32 bits, on some machines.
local function change(read, write, add, now, text, reset, a, b, c, a0, b0, c0, k)
  local till = text and add and now + reset
  if till then
    if a0 == nil then a0, b0, c0, k = read(text) end
    local more, other = add(a0, b0, c0, k, a, b, c, till)
    if more then return true, more end
    -- A shorter one would leave the end of text behind, and for a longer one Redis makes
    -- room for twice as much.
    if other and #other == #text then return false, other end
  end
  local new, kept = write(a, b, c, till)
  if kept then reset = kept + 1000000 - now end
  local ms = math.ceil(reset / 1000) + 2
  if ms < 2147483648 then ms = string.format('%d', ms) end
  return ms, new
end
