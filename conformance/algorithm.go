package conformance

import (
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/virtualclock"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// algorithmChecks are run on all limits of one algorithm. First come the laws, which are
// about Step alone, then whether the Lua is the same function, then how the algorithm
// behaves on a server.
var algorithmChecks = []check{
	{"Plan", "Limits of one Name have one Lua and equally many Params, and whoever compiles a limit gets the same Plan.", onePlan},
	{"Pure", "Step is a function of the state, the time and n alone.", lawPure},
	{"Fresh", "A fresh identity has Limit units, which can be taken at once; a request for more gets NeverRetry.", lawFresh},
	{"DenialIsFree", "A denial returns the state that it was given, if that state can have come about.", lawDenialIsFree},
	{"LookIsFree", "A request of no units returns the state that it was given; its RetryAfter is that of one unit.", lawLookIsFree},
	{"RemainingIsTrue", "Remaining units can be taken right afterwards, and not one more.", lawRemainingIsTrue},
	{"UnitsAddUp", "If a Plan is Additive, several equal requests at one instant leave the state and outcome of one request for all their units.", lawUnitsAddUp},
	{"RetryIsTight", "A denied request is allowed once its RetryAfter has passed, and not 1 µs before.", lawRetryIsTight},
	{"ResetIsTight", "After ResetAfter an identity is as good as new, and not 1 µs before.", lawResetIsTight},
	{"ClockBack", "A clock that steps back gives nothing back.", lawClockBack},
	{"BoundHolds", "No more is admitted in any interval than Bound says, whatever the callers do.", lawBoundHolds},
	{"BoundGrows", "Bound is at least Limit, and no less for a longer time than for a shorter one, up to the longest time.Duration.", boundGrows},
	{"WindowIsTrue", "If a Plan has a Window, Bound allows Limit units per Window in the long run.", windowIsTrue},
	{"Size", "A state has some 100 bytes at most, and UnitSize more for each unit taken; UnitSize is 0 if states stay small.", size},
	{"AnyState", "Any text is a state. None makes Step panic, give numbers out of their ranges or times of more than twice the time in which all units come back, or keeps units from adding up. Once the ResetAfter of a request for units has passed, even if it was denied, all units can be taken from the state that it returned.", lawAnyState},
	{"Plain", "Plain, if a Plan has it, turns any text into a text of the same state that promises nothing, as Step writes it.", lawPlain},
	{"Texts", "Neither write nor add raises an error, read restores the state that write wrote, and step answers in whole numbers.", texts},
	{"Isolated", "The Lua makes no Redis call and reads no clock: it sees its arguments only.", isolated},
	{"Model", "The Lua is the same function as Step, and the state that Step returns is stored: for any state, time, n and limit, alone and with others in one run.", model},
	{"ServerClock", "A decision is what Step says for the instant that the reply names, and that instant is the time by Redis's clock.", serverClock},
	{"Expiry", "A state lives for its ResetAfter, and not much longer.", expiry},
	{"Promises", "If a Plan has Plain, a state that is changed in place, by adding to it or overwriting it, is also kept for its ResetAfter, whatever came before.", promises},
	{"Retune", "A limit can be changed while keys live. If Limit is raised to more than twice, that helps at once. No RetryAfter or ResetAfter is more than twice the time in which all units come back under the new limit. No more is admitted from then on than the new limit's Bound.", retune},
	{"Exact", "Many concurrent requests are admitted as if they came one after the other: no fewer units, and no more.", exact},
	{"Linearizable", "Concurrent callers get the answers that they would get one after the other, in an order that agrees with the server's time and with their own.", linearizability},
}

// jointChecks are run on the limits of all algorithms together.
var jointChecks = []check{
	{"Joint", "Several limits are decided together: each takes its units, or none does.", joint},
}

func (l limit) String() string { return fmt.Sprintf("%T%+v", l.from, l.from) }

// GoString is what rapid prints for a limit that it has drawn.
func (l limit) GoString() string { return l.String() }

// refill is the ResetAfter, in µs, of a fresh identity that has taken all units at the
// beginning of a period. It is the measure of which times are long for a limit.
func (l limit) refill() int64 {
	_, out := l.Step("", 0, l.Limit)
	return max(1, out.ResetAfter)
}

// next is Step, except that it returns the state that the harness keeps: none if the new
// state says nothing because its ResetAfter is 0.
func (l limit) next(state string, now, n int64) (string, algorithm.Outcome) {
	next, out := l.Step(state, now, n)
	if next != state && out.ResetAfter == 0 {
		next = ""
	}
	return next, out
}

// is reports whether found, which is stored under a key, is the state that must be there.
// What found promises about the life of its key does not matter, unless state is before,
// which was stored earlier: a state that does not change must stay the same to the byte.
func (l limit) is(found, state, before stored) bool {
	if l.Plain == nil || state == before {
		return found == state
	}
	found.text = l.Plain(found.text)
	return found == state
}

// request asks a limit for n units, by the state of the key at place in the run's keys. If
// a program has several limits, a decision is one request to each of them.
type request struct {
	n     int64
	place int
}

// failer is a test, or one of the cases that rapid makes of a test.
type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// decide runs requests on the server, at the given time of a virtual clock.
func decide(t failer, s store.Store, p *algorithm.Program, keys []string, now int64, requests ...request) []int64 {
	t.Helper()
	return ask(t, s, p, virtualclock.Script(p.Script()), keys, requests, now)
}

// decideNow runs requests on the server by its own clock.
func decideNow(t failer, s store.Store, p *algorithm.Program, keys []string, requests ...request) []int64 {
	t.Helper()
	return ask(t, s, p, p.Script(), keys, requests)
}

func ask(t failer, s store.Store, p *algorithm.Program, script *store.Script, keys []string, requests []request, clock ...int64) []int64 {
	t.Helper()
	args := p.AppendParams(nil)
	for _, r := range requests {
		args = p.AppendRequest(args, r.n, r.place)
	}
	reply := run(t, s, script, keys, append(args, clock...)...)
	if err := p.CheckReply(reply, len(requests)/p.Limits()); err != nil {
		differ(t, err, "no error", "reply of script %s to %d requests", script.Name(), len(requests))
	}
	return reply
}

// outcome decodes one limit's answer to one request.
func outcome(t failer, p *algorithm.Program, reply []int64, request, limit int) algorithm.Outcome {
	t.Helper()
	out, err := p.Outcome(reply, request, limit)
	if err != nil {
		differ(t, err, "no error", "answer of limit %d to request %d", limit, request)
	}
	return out
}

// stored is what Redis has under a key.
type stored struct {
	text  string // "" if the key is absent
	other bool   // the key is of another type than string
}

func (s stored) String() string {
	if s.other {
		return "a list"
	}
	return fmt.Sprintf("%q", s.text)
}

var (
	peekScript = store.NewScript("peek", `
local r = {}
for _, key in ipairs(KEYS) do
	local text = redis.pcall('GET', key)
	if type(text) == 'table' then r[#r + 1] = -1
	elseif not text then r[#r + 1] = 0
	else
		r[#r + 1] = #text
		for i = 1, #text do r[#r + 1] = string.byte(text, i) end
	end
end
return r`)
	plantScript = store.NewScript("plant", `
local parts, part = {}, {}
for i, b in ipairs(ARGV) do
	part[#part + 1] = string.char(tonumber(b))
	if #part == 100 or i == #ARGV then
		parts[#parts + 1] = table.concat(part)
		part = {}
	end
end
redis.call('SET', KEYS[1], table.concat(parts), 'PX', 3600000)
return {0}`)
	listScript = store.NewScript("list", `
redis.call('DEL', KEYS[1])
redis.call('RPUSH', KEYS[1], 'x')
redis.call('PEXPIRE', KEYS[1], 3600000)
return {0}`)
	dropScript = store.NewScript("drop", "for _, key in ipairs(KEYS) do redis.call('DEL', key) end return {0}")
)

// peek returns what is stored under keys.
func peek(t failer, s store.Store, keys ...string) []stored {
	t.Helper()
	reply := run(t, s, peekScript, keys)
	found := make([]stored, len(keys))
	for i := range found {
		length := reply[0]
		reply = reply[1:]
		if length < 0 {
			found[i].other = true
			continue
		}
		found[i].text = toText(reply[:length])
		reply = reply[length:]
	}
	return found
}

// plant stores what under a key, or deletes the key if what is empty.
func plant(t failer, s store.Store, key string, what stored) {
	t.Helper()
	if what.other {
		run(t, s, listScript, []string{key})
		return
	}
	if what.text == "" {
		run(t, s, dropScript, []string{key})
		return
	}
	args := make([]int64, len(what.text))
	for i := range args {
		args[i] = int64(what.text[i])
	}
	run(t, s, plantScript, []string{key}, args...)
}
