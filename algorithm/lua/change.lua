-- change says how to write a key whose state at now is a, b, c. text is what the key held,
-- or false if it held nothing. a0, b0, c0 and k are what read made of text, or nil if text
-- has not been read yet. The result is one of
--
--   ms, new       write new, to live for ms
--   true, more    add more to the integer that text is
--   false, other  overwrite text with other
--
-- read, write and add are the algorithm's; add may be nil.
--
-- A state lives for its reset, rounded up to whole ms, and 2 ms more, because Redis counts
-- in whole ms from the beginning of the script, which is before now. But an identity that has
-- come back may come again. So a state that replaces another lives for as long as write
-- promises, to be changed in place meanwhile, and one second more, in case the server is held
-- up before it reads its clock. ms is text, because that takes Redis less time, unless it is
-- too large for %d, which is for 32 bits on some machines.
local function change(read, write, add, now, text, reset, a, b, c, a0, b0, c0, k)
  local till = text and add and now + reset
  if till then
    if a0 == nil then a0, b0, c0, k = read(text) end
    local more, other = add(a0, b0, c0, k, a, b, c, till)
    if more then return true, more end
    -- A shorter text would leave the end of the old one behind, and for a longer one Redis
    -- would make room for twice as much.
    if other and #other == #text then return false, other end
  end
  local new, kept = write(a, b, c, till)
  if kept then reset = kept + 1000000 - now end
  local ms = math.ceil(reset / 1000) + 2
  if ms < 2147483648 then ms = string.format('%d', ms) end
  return ms, new
end
