package ratelimit

import (
	"errors"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// beforeLast returns the last but one of the calls that finish answers, or the only one. Its
// caller is the last to run, as a rule: the scheduler first runs the goroutine that was woken
// last, and then the others in the order in which they were woken.
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

// finish answers the calls of the batch, and then releases it.
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

// decode gives each call of a run its outcome. It returns an error if reply cannot be the
// reply to that run.
func decode(groups []group, p *algorithm.Program, reply []int64) error {
	outcomes, err := p.Outcomes(reply)
	if err != nil {
		return err
	}
	now := p.Now(reply)
	for _, g := range groups {
		n := int64(-1) // no call has this n
		for _, c := range g.calls {
			if c.n != n {
				n = c.n
				outcomes.Row(n)
			}
			c.outcome, c.err = outcomes.Next()
			if c.err != nil && !errors.Is(c.err, algorithm.ErrFailed) {
				return c.err // it is unknown whose outcomes follow
			}
			c.now = now
		}
	}
	return outcomes.End()
}
