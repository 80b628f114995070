// Package algorithm holds the limiting math: what an algorithm is, what it
// answers, and the Lua harness that turns algorithms into one Redis script.
//
// An algorithm is a pure function
//
//	(state, now, n, params…) -> (new state, outcome)
//
// written twice: in Lua, for Redis to run, and in Go ([Plan.Step]), as the
// specification that the Lua is tested against. It makes no Redis call and
// reads no clock. Reading and writing the state, its time to live, the clock,
// many keys, many decisions, all-or-nothing and the reply are the harness's.
//
// # Rules for the math
//
//   - Integers only, all below 2^53: Lua's numbers are doubles. A quotient is
//     taken of a multiple, as (a - a % b) / b, and a number becomes text by
//     string.format('%.0f', x) alone; tostring and .. round to 14 digits.
//   - Time is in microseconds (µs) since 1970; spans are in µs too.
//   - n > 0 takes n units, or none. n = 0 looks: the outcome is that of taking
//     one unit, but Remaining and ResetAfter are those of the state as it is.
//     n < 0 is reserved.
//   - A denial returns the state that it was given. (A state that could never
//     have come about, such as one from the far future, may be mended instead.)
//   - A clock that has stepped back gives nothing back.
//   - Any text is a state: read mends what it can and starts afresh otherwise.
//   - Once ResetAfter has passed, the state says the same as none. The harness
//     therefore keeps it no longer, unless [Plan.Plain] says that it may.
package algorithm

import "time"

// Algorithm is a limit as its user writes it: plain data, such as
// tokenbucket.Limit or slidingwindow.Limit.
type Algorithm interface {
	// Compile checks the limit and derives from it all that a decision needs.
	// Its error names the field and the value that is wrong.
	Compile() (*Plan, error)
}

// Plan is a checked limit. It is not modified once it is made.
type Plan struct {
	// Name is the name of the math, the same for all limits of its kind. It is
	// part of every key: lower-case letters, digits and underscores, such as
	// "token_bucket".
	Name string

	// Lua is the math for Redis: a chunk that defines three local functions,
	// of a state of up to three values a, b, c.
	//
	//	read(text)  -> a, b, c    text is "" where there is no state
	//	write(a, b, c) -> text
	//	step(a, b, c, now, n, params…) -> retry, remaining, reset, a, b, c
	//
	// step answers retry 0 where it allows, otherwise the µs to wait, or -1
	// where no wait will help; remaining is 0 to Limit. It must be the same
	// function as Step.
	//
	// a, b and c are numbers or strings, at least a not nil: the state is written
	// if one of them differs from what step was given, so a table that is changed
	// in place would never be. read must undo write: what it does not know it
	// takes for a fresh identity, so one that is too strict makes a limit that
	// limits nothing. (An instant has 16 digits.)
	Lua string

	// Additive promises that units add up at one instant, so that Redis may decide
	// many equal requests of a key by one step: after a request of n units, k more
	// of them would be allowed wherever one of k * n would be, and would leave the
	// same state and outcome; and if ResetAfter is k times as much later by it as
	// by the first of these, it is as much later by each. False promises nothing.
	Additive bool

	// Plain, if not nil, says that a state may be changed by adding to the integer
	// that its text is, or by putting another text in its place, which leaves its key's
	// time to live as it is, and costs Redis less than to write it anew. Lua then defines
	// a fourth local function, and read and write do more:
	//
	//	read(text)           -> a, b, c, k     k is what it promises
	//	write(a, b, c, till) -> text, kept     in µs since 1970
	//	add(a, b, c, k, a2, b2, c2, till) -> more, other
	//
	// Where write is given a till, the text may promise in its own way that its key is
	// kept until kept: till or later, so that it can be added to; nil if it promises
	// nothing, as it must without a till.
	//
	// add answers only where the text that was read promises to be kept until till at
	// least. more is the integer to add, as text, where that which was read is one of 64
	// bits, without leading zeros; other, if more is nil, is the text to put in its place,
	// which is done where it is as long. The sum, or other, is a text of a2, b2, c2 that
	// promises no more than the one before. Both are nil where it is to be written anew.
	//
	// Plain returns a text of the same state that promises nothing, which is what Step
	// writes; text itself, if it promises nothing.
	Plain func(text string) string

	// Params is what step is given after n: at most [MaxParams] integers, each
	// of magnitude at most 2^53.
	Params []int64

	// Limit is the most units that a fresh identity can take at once.
	Limit int64

	// Window is the span that Limit is for: in the long run an identity can have
	// Limit units each Window. It is told to clients, and nothing is decided by
	// it. 0 says that there is none to tell.
	Window time.Duration

	// Step is the same math in Go. An empty state is that of an absent key.
	// It returns state itself where it takes nothing. A new state of which
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
	// RetryAfter is 0 where the request is allowed, otherwise the time until it
	// would be, absent others, or [NeverRetry].
	RetryAfter int64
	// Remaining is how many units could be taken right after, at least 0.
	Remaining int64
	// ResetAfter is the time after which the state is that of a fresh identity.
	ResetAfter int64
}

// NeverRetry is the RetryAfter of an Outcome where n is more than the limit can
// ever give.
const NeverRetry = -1

// Allowed tells whether the request is let through.
func (o Outcome) Allowed() bool { return o.RetryAfter == 0 }
