package ratelimit

import (
	"context"
	"slices"
	"time"
)

// news is what a breaker is told of a run.
type news struct {
	breaker *breaker
	caller  *sum
	err     error
}

// run runs the batch.
func (b *batch) run(l *Limiter) {
	b.err = errExited // until there is another outcome
	b.encode(l)
	ctx := l.deadlines.Within(context.Background(), l.timeout)
	defer ctx.End()
	switch {
	case len(b.runs) == 0: // no call is left
		b.err = nil
	case b.across:
		b.err = l.runAll(ctx, l.partitions.span.RunAcross, l.program.Across(), b.runs)
	case len(b.runs) == 1:
		r := &b.runs[0]
		r.Reply, r.Err = l.run(ctx, l.program.Script(), r.Keys, r.Args)
		b.err = nil
		if ctx.Err() != nil && !l.prompt {
			b.err = r.Err
		}
	default:
		b.err = l.runAll(ctx, l.pipeline, l.program.Script(), b.runs)
	}
	b.report(l, ctx.Began())
	if l.runObservers != nil {
		b.tell(l, ctx.Began())
	}
}

// tell tells observers of the runs, which began at start.
func (b *batch) tell(l *Limiter, start time.Time) {
	for i := range b.runs {
		decisions := 0
		for _, g := range b.groupsOf(i) {
			decisions += len(g.calls)
		}
		l.ran(context.Background(), decisions, len(b.groupsOf(i)), start, b.failure(i))
	}
}

// report tells the breakers how the runs, which began at start, ended. A breaker counts all
// of its runs as one, which got an answer if any of them did.
func (b *batch) report(l *Limiter, start time.Time) {
	b.news = b.news[:0]
	for i := range b.runs {
		if b.strays(i) {
			continue // its keys go again
		}
		groups, err := b.groupsOf(i), b.failure(i)
		if !b.across {
			groups = groups[:1] // all groups are of one partition
		}
		yes, _ := heard(err)
		for _, g := range groups {
			its := l.breakers.of(g.partition())
			known := slices.IndexFunc(b.news, func(n news) bool { return n.breaker == its })
			switch {
			case known < 0:
				b.news = append(b.news, news{its, &g.calls[0].sum, err})
			case yes:
				b.news[known].err = err
			}
		}
	}
	for _, n := range b.news {
		l.report(context.Background(), n.breaker, n.caller, start, n.err)
	}
}

// failure returns the error of a run.
func (b *batch) failure(run int) error {
	if b.err != nil {
		return b.err
	}
	return b.runs[run].Err
}
