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
// Package conformance holds algorithms to these rules. In them, a refill is the time in
// which all units come back: the ResetAfter of Step("", 0, Limit).
//
//   - Use integers only, all below 2^53, because Lua's numbers are doubles. Divide only
//     multiples, as in (a - a % b) / b. Turn a number into text only with
//     string.format('%.0f', x), because tostring and .. round to 14 digits. (%d is faster,
//     but some Lua takes it for 32 bits: use it for nine digits at most.)
//   - The Lua depends on its arguments alone. It does not use redis, KEYS, ARGV or os, and
//     of math it uses only floor, ceil, min, max, abs, fmod and huge.
//   - An instant is in microseconds (µs) since 1970, which takes 16 digits. Spans are in µs
//     too.
//   - RetryAfter is 0 if the request is allowed, otherwise 1 to 2^53, or [NeverRetry], which
//     is -1. Remaining is 0 to Limit, ResetAfter 0 to 2^53. This holds for any state.
//   - A fresh identity has Limit units. A request for n > 0 takes n units, or none. n may be
//     far larger than Limit, so compare it before you add to it; Lua rounds numbers above
//     2^53. An n above Limit gets NeverRetry, and an n up to Limit never does.
//   - The outcome is exact, except for a state that cannot have come about. Exactly
//     Remaining units can be taken right afterwards. After RetryAfter the same request is
//     allowed. Once ResetAfter has passed, the state means no more than an absent one. 1 µs
//     before the end of either span, the answer is that 1 µs is left. So the harness lets a
//     state expire after its ResetAfter, and keeps it longer only if [Plan.Plain] is set.
//   - A request for n = 0 is a look. Its RetryAfter is that of a request for one unit, but
//     its Remaining and ResetAfter describe the state as it is. A look returns the state
//     that it was given, whatever that is. n < 0 is reserved.
//   - A denial returns the state that it was given, unless it must mend that state: see
//     below.
//   - A clock that steps back gives no units back: a look finds no more Remaining than
//     before, however far back the clock is. If the clock stepped back by half a refill at
//     most, units taken in the meantime still count when it is back where it was.
//   - Any text is a state: read mends what it can, and otherwise starts afresh. Whatever the
//     text, RetryAfter and ResetAfter are at most two refills, for looks and denials too.
//     Once the ResetAfter of a request for n > 0 has passed, Limit units can be taken from
//     the state that the request returned, even if it was denied. So a state from the far
//     future, which a wrong clock has left, must be mended: the first request for n > 0
//     returns the mended state, even if the request is denied, and even if its RetryAfter is
//     NeverRetry. (To start afresh instead would give units back, which must not happen when
//     a clock steps back. Treat what was taken as if it were taken now.)
//   - A limit may be changed while keys live, so a state may be that of another limit of the
//     same Name. If Limit is more than twice what it was, an identity that has taken all its
//     units gets a unit at once. However the limit was changed, RetryAfter and ResetAfter
//     are at most two refills of the new limit, and from the change on no more is admitted
//     than its Bound.
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

// Plan is a checked limit. It is immutable once it is made.
type Plan struct {
	// Name is the name of the math, the same for all limits of its kind. It is part of every
	// key: lower-case letters, digits and underscores, such as "token_bucket". Limits of one
	// Name have the same Lua, and the same number of Params.
	Name string

	// Lua is the math for Redis: a chunk that defines three local functions on a
	// state of up to three values a, b, c.
	//
	//	read(text)  -> a, b, c    text is "" if there is no state
	//	write(a, b, c) -> text
	//	step(a, b, c, now, n, params…) -> retry, remaining, reset, a, b, c
	//
	// step returns a retry of 0 if it allows the request, otherwise the µs to wait, or -1 if
	// no wait will help; remaining is 0 to Limit. It must be the same function as Step,
	// except that for a look the harness ignores the state that step returns.
	//
	// The definition of each function must begin with "local" at the beginning of a line, as
	// in "local function read(text)". Neither write nor add (see Plain) may raise an error,
	// because that may fail the whole run, with all of its keys. (An error in read or step
	// fails only its own key, but starting afresh is better.)
	//
	// a, b and c are numbers or strings, and a is never nil. The state is written if one of
	// them differs from what step was given. So do not use a table that is changed in place:
	// it would never be written. read must undo write. A text that read does not know counts
	// as a fresh identity, so a read that is too strict makes a limit that limits nothing.
	// (An instant has 16 digits.)
	Lua string

	// Additive promises that requests at one instant add up, so that Redis may decide many
	// equal requests for a key in a single step. That is, for any state: after a request for
	// n units, k more such requests are allowed whenever one request for k * n units would
	// be, and they leave the same state and outcome as that one request. And if that one
	// request makes ResetAfter later by k times as much as the first of the k requests
	// would, then each of the k makes it later by as much as the first. False promises
	// nothing.
	Additive bool

	// Plain, if not nil, says that a state may be changed in place: by adding to its text, if
	// that is an integer, or by overwriting the text. Either leaves the time to live of the
	// key as it is, and costs Redis less than writing the state anew. Lua must then define a
	// fourth local function, and read and write do more:
	//
	//	read(text)           -> a, b, c, k     k is what the text promises
	//	write(a, b, c, till) -> text, kept     till and kept are in µs since 1970
	//	add(a, b, c, k, a2, b2, c2, till) -> more, other
	//
	// If write is given a till, its text may promise, in a form of its own, that the key
	// lives until kept, which is till or later. Until then the state may be changed in place.
	// kept is nil if the text promises nothing, as it must without a till.
	//
	// add says how to change the text of a state a, b, c, which promises k, into one of a2,
	// b2, c2. It may answer only if the promise reaches till. Its more is an integer to add,
	// as text; add may return one only if the text that was read is a 64-bit integer without
	// leading zeros. Its other is a text to overwrite the old one with, and is used only if
	// it is as long as that. The sum, or other, must be a text of a2, b2, c2 that promises
	// no more than the old one. If more and other are nil, the state is written anew.
	//
	// Plain returns a text of the same state that promises nothing, such as Step writes. It
	// returns text itself if that promises nothing.
	Plain func(text string) string

	// Params are the arguments of step after n: at most [MaxParams] integers, each of
	// magnitude at most 2^53.
	Params []int64

	// Limit is the most units that a fresh identity can take at once: 1 to 2^53.
	Limit int64

	// Window is the span that Limit is for: in the long run an identity can take Limit units
	// per Window. It serves only to inform clients. 0 means that there is nothing to tell
	// them.
	Window time.Duration

	// UnitSize is how many bytes each taken unit adds to a state's text. It is for states
	// that can become large: the larger they are, the fewer keys go to Redis at once, so
	// that a run does not keep Redis busy for long. The cost of a large state is counted
	// once for each key of a run, so write should make a long text, rather than each step. 0
	// says that states are small, some 100 bytes at most.
	UnitSize int64

	// Step is the same math in Go. An empty state is that of an absent key. Step returns
	// state itself if it neither takes nor mends anything. A new state whose ResetAfter is 0
	// says nothing, and the harness deletes its key.
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
	// RetryAfter is 0 if the request is allowed. Otherwise it is the time until the request
	// would be allowed if there were no others, 1 to 2^53, or [NeverRetry].
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
