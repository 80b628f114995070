package ratelimit

import (
	"errors"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// beforeLast returns the last but one that finish answers, or the only one. It is the
// last to run, as a rule: a scheduler's queue goes by who was woken first, but for the one
// who was woken last.
func (b *batch) beforeLast() *call {
	g := b.groups[len(b.groups)-1].calls
	switch {
	case len(g) > 1:
		return g[len(g)-2]
	case len(b.groups) > 1:
		g = b.groups[len(b.groups)-2].calls
	}
	return g[len(g)-1]
}

// finish answers the batch's calls, and is the end of it.
func (b *batch) finish(l *Limiter) {
	for i := range b.parts {
		b.answerRun(l, i)
	}
	b.release()
}

// answerRun answers the calls of one run.
func (b *batch) answerRun(l *Limiter, run int) {
	groups, err := b.groupsOf(run), b.failure(run)
	if err == nil {
		err = decode(groups, l.program, b.runs[run].Reply)
	}
	if err == nil {
		l.sizes.note(groups)
	}
	for _, g := range groups {
		for _, c := range g.calls {
			if err != nil {
				c.err = err
			}
			l.answer(c)
		}
	}
}

// decode gives each call of a run its outcome. It is an error if the reply is not
// one to that run.
func decode(groups []group, p *algorithm.Program, reply []int64) error {
	outcomes, err := p.Outcomes(reply)
	if err != nil {
		return err
	}
	now := p.Now(reply)
	for _, g := range groups {
		n := int64(-1) // what no call has
		for _, c := range g.calls {
			if c.n != n {
				n = c.n
				outcomes.Row(n)
			}
			c.outcome, c.err = outcomes.Next()
			if c.err != nil && !errors.Is(c.err, algorithm.ErrFailed) {
				return c.err // whose outcomes follow is not known
			}
			c.now = now
		}
	}
	return outcomes.End()
}
