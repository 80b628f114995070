-- The end of both harnesses: it writes what change has said of each key, and replies.
--
-- Before this text stand: lives and texts, what change returned for the key at each place
-- in KEYS, where lives is 0 to delete it and nil to leave it as it is; call; reply.

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
