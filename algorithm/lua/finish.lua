-- The end of both harnesses: it writes each key as change has said, and replies.
--
-- The text before this one defines lives and texts, the two results of change for the key at
-- each place in KEYS, except that a life of 0 deletes the key and nil leaves it as it is;
-- call; and reply.

for key = 1, #KEYS do
  local ms = lives[key]
  if ms == true then
    call('INCRBY', KEYS[key], texts[key])
  elseif ms == false then
    call('SETRANGE', KEYS[key], '0', texts[key])
  elseif ms == 0 then
    call('DEL', KEYS[key])
  elseif ms then
    call('PSETEX', KEYS[key], ms, texts[key])
  end
end
return reply
