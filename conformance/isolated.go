package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// hide, put before an algorithm's Lua, hides from it all that it must not use.
const hide = "local redis, KEYS, ARGV, now, clock, os = nil, nil, nil, nil, nil, nil\n" +
	"local math = {floor = math.floor, ceil = math.ceil, min = math.min, max = math.max, abs = math.abs, fmod = math.fmod, huge = math.huge}\n"

func isolated(t testing.TB, s *subject) {
	st, keys := s.Open(t), newKeyspace().keys(2)
	programs := map[*algorithm.Plan]*algorithm.Program{}
	for _, l := range s.limits {
		// The virtual clock takes the place of this text, which the harness has once.
		if word := "redis.call('TIME')"; strings.Contains(l.Lua, word) {
			differ(t, "it has", "that it has not", "whether the Lua of %v has %q in it, which is the harness's", l, word)
		}
		// In a program of two limits, the Lua of each is a block of its own. So the
		// harness can still use what is hidden from the first limit.
		hidden := *l.Plan
		hidden.Lua = hide + l.Lua
		program, err := algorithm.Compose(&hidden, l.Plan)
		if err != nil {
			differ(t, err, "no error", "Compose of %v", l)
		}
		programs[l.Plan] = program
	}
	rapid.Check(t, func(t *rapid.T) {
		l := rapid.SampledFrom(s.limits).Draw(t, "limit")
		p, program := drawPast(t, l), programs[l.Plan]
		for range 3 {
			state := p.state
			if rapid.Bool().Draw(t, "any state") {
				state = drawText(t, p.state, p.now)
			}
			ns := []int64{1, 0, drawN(t, l), l.Limit}
			var requests []request
			for _, n := range ns {
				requests = append(requests, request{n, 0}, request{n, 1})
			}
			plant(t, st, keys[0], stored{text: state})
			plant(t, st, keys[1], stored{text: state})
			reply := decide(t, st, program, keys, p.now, requests...)
			for i, n := range ns {
				// Wrong answers are for another check to find.
				if _, err := program.Outcome(reply, i, 0); errors.Is(err, algorithm.ErrFailed) {
					differ(t, raised(t, st, l, inOneLine(hide), keys[0], state, p.now, n), "no error",
						"%d units under %v with redis, KEYS, ARGV, os and math.random hidden from its Lua: state %q, now %d", n, l, state, p.now)
				}
			}
		}
	})
}

// savesArgs, put before hide and an algorithm's Lua, keeps ARGV for a script of the suite.
// It does not end its line, so that the line numbers in errors are those of the Lua.
const savesArgs = "local conformance = ARGV "

func inOneLine(lua string) string { return strings.ReplaceAll(lua, "\n", " ") }

// raised returns the error that the Lua raises on a state. (The harness does not report
// it.) The line that the error names is a line of the Lua.
func raised(t failer, st store.Store, l limit, before, key, state string, now, n int64) string {
	t.Helper()
	script := store.NewScript("raised", savesArgs+before+l.Lua+fmt.Sprintf("\nlocal parameters = %d\n", len(l.Params))+raisedLua)
	args := append(slices.Clone(l.Params), now, n)
	for _, b := range []byte(state) {
		args = append(args, int64(b))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := st.Run(ctx, script, []string{key}, args); err != nil {
		return err.Error()
	}
	return algorithm.ErrFailed.Error() // the Lua fails only after other requests of the run
}

const raisedLua = `
local params, bytes = {}, {}
for i = 1, parameters do params[i] = conformance[i] + 0 end
local text = ''
for i = parameters + 3, #conformance do
  bytes[#bytes + 1] = string.char(conformance[i] + 0)
  if #bytes == 100 or i == #conformance then text, bytes = text .. table.concat(bytes), {} end
end
local a, b, c = read(text)
step(a, b, c, conformance[parameters + 1] + 0, conformance[parameters + 2] + 0, unpack(params))
return {}`
