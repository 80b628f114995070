// Package algorithm holds the limiting math: what an algorithm is, what it
// answers, and the Lua harness that turns algorithms into one Redis script.
//
// An algorithm is a pure function
//
//	(state, now, n, params…) -> (new state, outcome)
//
// written twice: in Lua, for Redis to run, and in Go ([Plan.Step]), as the
// specification that the Lua is tested against. It makes no Redis call and reads
// no clock. The harness does the rest: it reads and writes the state with its time
// to live, reads the clock, handles many keys, many decisions and all-or-nothing,
// and makes the reply.
//
// # Rules for the math
//
// Package conformance holds algorithms to them. In these rules, a refill is the time in
// which all units come back: the ResetAfter of Step("", 0, Limit).
//
//   - Integers only, all below 2^53, because Lua's numbers are doubles. Divide only
//     multiples, as in (a - a % b) / b. Turn a number into text only by
//     string.format('%.0f', x); tostring and .. round to 14 digits.
//   - The Lua goes by its arguments alone. It uses none of redis, KEYS, ARGV and os, and
//     of math only floor, ceil, min, max, abs, fmod and huge.
//   - Time is in microseconds (µs) since 1970, which has 16 digits; spans are in µs too.
//   - RetryAfter is 0 if the request is allowed, otherwise 1 to 2^53, or [NeverRetry],
//     which is -1. Remaining is 0 to Limit, ResetAfter 0 to 2^53. This holds for any state.
//   - A fresh identity has Limit units. n > 0 takes n units, or none. n may be larger than
//     anything that fits with it (compare it before you add to it), and Lua rounds what is
//     above 2^53. An n above Limit gets NeverRetry, and one up to Limit never does.
//   - The numbers are exact, unless the state is one that cannot have come about. Remaining
//     units can be taken right afterwards, and not one more. After RetryAfter the same
//     request is allowed; once ResetAfter has passed, the state says no more than an absent
//     one. 1 µs before its time is over, each says 1 µs. So the harness keeps a state
//     no longer than its ResetAfter, unless [Plan.Plain] lets it.
//   - n = 0 looks: RetryAfter is that of taking one unit, but Remaining and ResetAfter
//     are those of the state as it is. A look returns the state that it was given,
//     whatever that is. n < 0 is reserved.
//   - A denial returns the state that it was given, unless it has to mend it: see below.
//   - A clock that has stepped back gives nothing back: a look finds no more Remaining
//     than before, however far back it is. If it stepped back by half a refill at most,
//     what is taken meanwhile is not given back either, once the clock is where it was.
//   - Any text is a state: read mends what it can and starts afresh otherwise. Whatever
//     the text, RetryAfter and ResetAfter are at most two refills, for looks and denials
//     too. And once the ResetAfter of a request of n > 0 has passed, Limit units can be
//     taken from the state that it returned, even if it was denied. So a state from the
//     far future, where a clock was wrong, has to be mended: the first request of n > 0
//     returns the mended one, even if it is denied, and even if it is denied for ever. (To
//     start afresh instead would give units back, which a clock that steps back must not.
//     Treat what was taken as if it were taken now.)
//   - A limit may be changed while keys live: then a state is of another limit of the same
//     Name. If Limit is more than twice what it was, an identity that has taken all gets a
//     unit at once. However it was changed, RetryAfter and ResetAfter are at most two
//     refills of the new limit, and from then on no more is admitted than its Bound.
package algorithm

import "time"

// Algorithm is a limit as its user writes it: plain data, such as
// tokenbucket.Limit or slidingwindow.Limit.
type Algorithm interface {
	// Compile checks the limit and derives from it everything that a decision needs.
	// Its error names the field that is wrong, and the value. It makes the same Plan
	// each time.
	Compile() (*Plan, error)
}

// Plan is a checked limit. It is not modified once it is made.
type Plan struct {
	// Name is the name of the math, the same for all limits of its kind. It is
	// part of every key: lower-case letters, digits and underscores, such as
	// "token_bucket". Limits of one Name have the same Lua, and equally many Params.
	Name string

	// Lua is the math for Redis: a chunk that defines three local functions on a
	// state of up to three values a, b, c.
	//
	//	read(text)  -> a, b, c    text is "" if there is no state
	//	write(a, b, c) -> text
	//	step(a, b, c, now, n, params…) -> retry, remaining, reset, a, b, c
	//
	// step returns a retry of 0 if it allows, otherwise the µs to wait, or -1 if no
	// wait will help; remaining is 0 to Limit. It must be the same function as Step.
	//
	// Each must begin with "local" at the beginning of a line, as in
	// "local function read(text)". Neither write nor add (see Plain) may raise an error:
	// it may fail the whole run, with all of its keys. (An error of read or step fails its
	// own key only, but it is better to start afresh.)
	//
	// a, b and c are numbers or strings, and a is never nil. The state is written if
	// one of them differs from what step was given, so do not use a table that is
	// changed in place: it would never be written. read must undo write. A text that
	// read does not know counts as a fresh identity, so a read that is too strict makes
	// a limit that limits nothing. (An instant has 16 digits.)
	Lua string

	// Additive promises that units add up at one instant, so that Redis may decide
	// many equal requests for a key by a single step. That is: after a request of n
	// units, k more such requests would be allowed whenever one of k * n units would
	// be, and would leave the same state and outcome as that one. And if that one
	// makes ResetAfter later by k times as much as the first of the k would, then
	// each of the k makes it later by as much as the first. This goes for any state.
	// False promises nothing.
	Additive bool

	// Plain, if not nil, says that a state may be changed in place: by adding to the
	// integer that its text is, or by overwriting its text. That leaves the time to live
	// of its key as it is, and costs Redis less than writing the state anew. Lua must
	// then define a fourth local function, and read and write do more:
	//
	//	read(text)           -> a, b, c, k     k is what the text promises
	//	write(a, b, c, till) -> text, kept     till and kept are in µs since 1970
	//	add(a, b, c, k, a2, b2, c2, till) -> more, other
	//
	// If write is given a till, its text may promise, in a form of its own, that the
	// key lives until kept, which is till or later. So the state can be added to until
	// then. kept is nil if the text promises nothing, as it must without a till.
	//
	// add changes a state a, b, c, whose text promises k, to a2, b2, c2. It answers only
	// if the promise reaches till. more is the integer to add, as text; it may be given
	// if the text that was read is a 64-bit integer without leading zeros. Otherwise
	// other is the text to put in its place, which must be as long. The sum, or other,
	// must be a text of a2, b2, c2 that promises no more than the one before. If both
	// are nil, the state is written anew.
	//
	// Plain returns a text of the same state that promises nothing, which is what Step
	// writes. It returns text itself if that promises nothing.
	Plain func(text string) string

	// Params is what step is given after n: at most [MaxParams] integers, each of
	// magnitude at most 2^53.
	Params []int64

	// Limit is the most units that a fresh identity can take at once: 1 to 2^53.
	Limit int64

	// Window is the span that Limit is for: in the long run an identity can take
	// Limit units per Window. It only serves to inform clients. 0 means that there is
	// none to tell.
	Window time.Duration

	// UnitSize is how many bytes each unit that is taken adds to a state's text. It is for
	// states that can become large: the larger they are, the fewer keys go to Redis at
	// once, so that they do not keep it busy for long. It is counted once for each key of a
	// run, so write should make a long text, not each step. 0 says that states are small,
	// of some 100 bytes at most.
	UnitSize int64

	// Step is the same math in Go. An empty state is that of an absent key. Step
	// returns state itself if it neither takes nor mends anything. A new state whose
	// ResetAfter is 0 says nothing, and its key is deleted.
	Step func(state string, now, n int64) (next string, out Outcome)

	// Bound is the most units that can be admitted in any closed interval of
	// length d, whatever the callers do: the limit's guarantee.
	Bound func(d time.Duration) int64
}

// MaxParams is the most parameters that a Plan may have.
const MaxParams = 6

// Outcome is what an algorithm answers to one request, as integers; spans are
// in µs.
type Outcome struct {
	// RetryAfter is 0 if the request is allowed, otherwise the time until it would
	// be if there were no others, 1 to 2^53, or [NeverRetry].
	RetryAfter int64
	// Remaining is how many units could be taken right afterwards: 0 to Limit.
	Remaining int64
	// ResetAfter is the time after which the state is that of a fresh identity: 0 to
	// 2^53.
	ResetAfter int64
}

// NeverRetry is the RetryAfter of an Outcome if n is more than the limit can ever
// give.
const NeverRetry = -1

// Allowed reports whether the request is let through.
func (o Outcome) Allowed() bool { return o.RetryAfter == 0 }
