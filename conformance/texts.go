package conformance

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// texts makes the server turn many states into text, in few runs. An error there makes a
// whole run fail, with all of its keys, and may be rare.
func texts(t testing.TB, s *subject) {
	st, key := s.Open(t), newKeyspace().keys(1)
	// Limits of one Name have one Lua.
	source := s.limits[0].Lua
	if s.limits[0].Plain == nil {
		source += "\nlocal add = nil"
	}
	script := store.NewScript("texts", savesArgs+inOneLine(hide)+source+fmt.Sprintf("\nlocal parameters = %d\n", len(s.limits[0].Params))+textsLua)
	rapid.Check(t, func(t *rapid.T) {
		l := rapid.SampledFrom(s.limits).Draw(t, "limit")
		p := drawPast(t, l)
		type one struct {
			text         string
			now, wait, n int64
		}
		var cases []one
		args := l.program.AppendParams(nil)
		for i := range 16 {
			c := one{text: p.state, now: p.now, n: max(1, drawN(t, l))}
			if i > 1 {
				c.text = drawText(t, p.state, p.now)
			}
			if len(c.text) > 5000 { // of a large limit: more would be too much for one run
				c.text = ""
			}
			c.wait = rapid.OneOf(rapid.Int64Range(0, 3*l.refill()/l.Limit), rapid.Int64Range(-l.refill()/2, l.refill())).Draw(t, "wait")
			cases = append(cases, c)
			args = append(args, c.now, c.wait, c.n, int64(len(c.text)))
			for _, b := range []byte(c.text) {
				args = append(args, int64(b))
			}
		}
		reply := run(t, st, script, key, args...)
		if len(reply) == 0 {
			return
		}
		c, times := cases[reply[0]-1], reply[1]
		differ(t, toText(reply[3:]), "no error, the same state, whole numbers", "%s, in the Lua, after %d requests of %d units under %v, %d µs after each other: state %q, now %d",
			[]string{"write", "read of what write returned", "add", "step"}[reply[2]-1], times, c.n, l, c.wait, c.text, c.now)
	})
}

// textsLua takes units from each state several times, as the harness does. Its reply is
// empty, or says in which case and after how many requests which function failed, and how.
const textsLua = `
local params = {}
for i = 1, parameters do params[i] = conformance[i] + 0 end
local function why(case, times, what, message)
  if type(message) == 'table' then message = message.err end
  local r = {case, times, what}
  for i = 1, math.min(#message, 1000) do r[i + 3] = string.byte(message, i) end
  return r
end
local case, i = 0, parameters + 1
while conformance[i] do
  local now, wait, n, size = conformance[i] + 0, conformance[i + 1] + 0, conformance[i + 2] + 0, conformance[i + 3] + 0
  local parts, part = {}, {}
  for j = 1, size do
    part[#part + 1] = string.char(conformance[i + 3 + j] + 0)
    if #part == 100 or j == size then -- more are too many for some Lua
      parts[#parts + 1], part = table.concat(part), {}
    end
  end
  local text = table.concat(parts)
  i, case = i + 4 + size, case + 1
  for times = 1, 4 do
    local ok, a, b, c, k = pcall(read, text)
    local retry, remaining, reset, a2, b2, c2
    if ok then ok, retry, remaining, reset, a2, b2, c2 = pcall(step, a, b, c, now, n, unpack(params)) end
    if not ok then break end -- that is another check's
    for name, number in pairs({retry = retry, remaining = remaining, reset = reset}) do
      if number % 1 ~= 0 then return why(case, times, 4, name .. ' is ' .. tostring(number)) end
    end
    if (a2 ~= a or b2 ~= b or c2 ~= c) and reset > 0 then
      local ok, _, left, longer = pcall(step, a2, b2, c2, now, 0, unpack(params))
      local next
      for _, till in ipairs({false, now + reset}) do
        local written, new, kept = pcall(write, a2, b2, c2, till or nil)
        if not written then return why(case, times, 1, new) end
        if type(new) ~= 'string' then return why(case, times, 1, 'it returned no text but a ' .. type(new)) end
        if kept and (not till or kept < till) then return why(case, times, 1, 'it promised a life that ends before till, or without one') end
        local found, a3, b3, c3 = pcall(read, new)
        if not found then return why(case, times, 2, a3) end
        local same, _, left3, longer3 = pcall(step, a3, b3, c3, now, 0, unpack(params))
        if ok and (not same or left3 ~= left or longer3 ~= longer) then
          return why(case, times, 2, string.format('another state: remaining is %s for %s, reset is %s for %s, from the text ',
            tostring(left3), tostring(left), tostring(longer3), tostring(longer)) .. new)
        end
        next = new
      end
      if add and text ~= '' then
        local added, more = pcall(add, a, b, c, k, a2, b2, c2, now + reset)
        if not added then return why(case, times, 3, more) end
      end
      text = next
    end
    now = math.max(1000000000000000, math.min(8000000000000000, now + wait))
  end
end
return {}`
