package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// What goes to Redis at once. It keeps that from everything else for about half a
// millisecond: a key costs it some 4 µs, a further decision on a key 1 µs.
const (
	maxKeys      = 96
	maxDecisions = 384
)

// batch is the calls that go to Redis together: in one run, or in one for each
// partition that their keys are in.
type batch struct {
	keys   map[sum]int // to their groups
	groups []group
	runs   []store.Run
	parts  []int // for each of runs, where its groups end
	text   []byte
	names  []string
	args   []int64
	alone  bool  // each key is to be in a run of its own
	err    error // what all of it failed with; then the store may still have it
}

// group is the calls of one key, in the order in which they came.
type group struct{ first, last *call }

// plain tells whether the calls are one, of one unit.
func (g group) plain() bool { return g.first.n == 1 && g.first == g.last }

var batches = sync.Pool{New: func() any { return &batch{keys: make(map[sum]int, maxKeys)} }}

// fill makes a batch of the calls from c on, and returns the first for which
// there is no more room.
func (b *batch) fill(l *Limiter, c *call) *call {
	clear(b.keys)
	b.groups, b.alone = b.groups[:0], false
	for decisions := 0; c != nil && decisions < maxDecisions; {
		place, known := b.keys[c.sum]
		if !known && len(b.groups) == maxKeys {
			break
		}
		next := c.next
		c.next = nil
		if l.send(c) {
			l.batcher.place(l, c) // keys may have turned out to be partitioned meanwhile
			if err := l.breakers.of(c.partition).refuse(&c.sum); err != nil {
				c.err = err
				l.answer(c)
				c = next
				continue
			}
			decisions++
			if known {
				g := &b.groups[place]
				g.last.next, g.last = c, c
			} else {
				b.keys[c.sum] = len(b.groups)
				b.groups = append(b.groups, group{c, c})
			}
		}
		c = next
	}
	b.sort()
	return c
}

// sort brings those of one partition together, of which the plain ones last.
func (b *batch) sort() {
	slices.SortFunc(b.groups, func(a, b group) int {
		if order := cmp.Compare(a.first.partition, b.first.partition); order != 0 {
			return order
		}
		switch plain := a.plain(); {
		case plain == b.plain():
			return 0
		case plain:
			return 1
		}
		return -1
	})
}

// run runs the batch.
func (b *batch) run(l *Limiter) {
	b.err = errExited // unless it comes to something else
	b.encode(l)
	ctx := deadline.Within(context.Background(), l.timeout)
	defer ctx.End()
	switch len(b.runs) {
	case 0: // all have left
		b.err = nil
	case 1:
		r := &b.runs[0]
		r.Reply, r.Err = l.run(ctx, l.program.Script(), r.Keys, r.Args)
		b.err = nil
		if ctx.Err() != nil && !l.prompt {
			b.err = r.Err
		}
	default:
		b.err = l.runAll(ctx, l.program.Script(), b.runs)
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
		for _, g := range b.of(i) {
			for c := g.first; c != nil; c = c.next {
				decisions++
			}
		}
		l.ran(context.Background(), decisions, len(b.of(i)), start, b.failure(i))
	}
}

// report tells the breakers how the runs ended that began at start. Runs of one
// breaker, which are next to each other, are one to it: an answer to any will do.
func (b *batch) report(l *Limiter, start time.Time) {
	from := 0
	for i := range b.runs {
		s := b.groups[from].first
		breaker, err := l.breakers.of(s.partition), b.failure(i)
		from = b.parts[i]
		if i+1 < len(b.runs) && breaker == l.breakers.of(b.groups[from].first.partition) {
			if yes, _ := heard(err); !yes {
				continue
			}
		}
		l.report(breaker, &s.sum, start, err)
	}
}

// failure returns the error of a run.
func (b *batch) failure(run int) error {
	if b.err != nil {
		return b.err
	}
	return b.runs[run].Err
}

// release lets the batch be used again, if nobody else has it.
func (b *batch) release() {
	if b.err == nil {
		clear(b.runs)
		clear(b.names)
		batches.Put(b)
	}
}

// encode makes the runs. All keys are parts of one string.
func (b *batch) encode(l *Limiter) {
	b.text, b.names, b.args = b.text[:0], b.names[:0], b.args[:0]
	for _, g := range b.groups {
		b.text = l.keys.appendKey(b.text, &g.first.sum)
	}
	text, size := string(b.text), l.keys.size()
	for i := range b.groups {
		b.names = append(b.names, text[i*size:(i+1)*size])
	}
	b.runs, b.parts = b.runs[:0], b.parts[:0]
	for from := 0; from < len(b.groups); {
		to, args := from, len(b.args)
		b.args = l.program.AppendParams(b.args)
		for ; to < len(b.groups) && (to == from || b.together(from, to)); to++ {
			g := b.groups[to]
			if g.plain() {
				if to == from || !b.groups[to-1].plain() {
					b.args = l.program.AppendOnes(b.args, to-from)
				}
				continue
			}
			for c := g.first; c != nil; {
				n, requests := c.n, 1
				for c = c.next; c != nil && c.n == n; c = c.next {
					requests++
				}
				b.args = l.program.AppendRepeats(b.args, n, requests, to-from)
			}
		}
		b.runs = append(b.runs, store.Run{Keys: b.names[from:to], Args: b.args[args:len(b.args):len(b.args)]})
		b.parts = append(b.parts, to)
		from = to
	}
}

// together tells whether two keys may be in one run.
func (b *batch) together(i, j int) bool {
	return !b.alone && b.groups[i].first.partition == b.groups[j].first.partition
}

// of returns the groups of a run.
func (b *batch) of(run int) []group {
	from := 0
	if run > 0 {
		from = b.parts[run-1]
	}
	return b.groups[from:b.parts[run]]
}

// answer answers the batch's calls.
func (b *batch) answer(l *Limiter) {
	for i := range b.parts {
		b.answerRun(l, i)
	}
}

// answerRun answers the calls of one run.
func (b *batch) answerRun(l *Limiter, run int) {
	groups, err := b.of(run), b.failure(run)
	if err == nil {
		err = decode(groups, l.program, b.runs[run].Reply)
	}
	for _, g := range groups {
		for c := g.first; c != nil; {
			next := c.next
			if err != nil {
				c.err = err
			}
			l.answer(c)
			c = next
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
		for c := g.first; c != nil; c = c.next {
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
