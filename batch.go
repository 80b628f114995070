package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// What goes to Redis at once. It keeps that from everything else for about half a
// millisecond, by what decisions may cost it, in half µs: the first of a key; one of other
// units than the one before on its key; and one more of the same units, which costs
// nothing where the script takes them all at one step.
const (
	maxCost = 1024

	keyCost   = 7
	otherCost = 3
	sameCost  = 1
)

// batch is the calls that go to Redis together: in one run, or in one for each server
// that has their keys, or for each partition that they are in.
type batch struct {
	keys   map[sum]int // to their groups
	groups []group
	came   []*call // in the order in which they came
	places []int   // for each of them, its group
	calls  []*call // group by group
	runs   []store.Run
	parts  []int // for each of runs, where its groups end
	text   []byte
	names  []string
	args   []int64
	across bool  // keys of several partitions are to be in one run, if they are on one server
	alone  bool  // each key is to be in a run of its own
	err    error // what all of it failed with; then the store may still have it
	news   []news
}

// news is what a breaker is told of a run.
type news struct {
	breaker *breaker
	caller  *sum
	err     error
}

// group is the calls of one key, in the order in which they came.
type group struct {
	calls  []*call
	size   int    // how many they will be
	last   int64  // of how many units the last of them is
	server uint64 // which has the key, where the batch goes across partitions
}

func (g group) partition() uint64 { return g.calls[0].partition }

// run tells which run the group is to be in.
func (g group) run(across bool) uint64 {
	if across {
		return g.server
	}
	return g.partition()
}

// plain tells whether the calls are one, of one unit.
func (g group) plain() bool { return len(g.calls) == 1 && g.calls[0].n == 1 }

var batches = sync.Pool{New: func() any { return &batch{keys: make(map[sum]int, maxCost/keyCost)} }}

// fill makes a batch of calls, and returns those for which there is no more room.
func (b *batch) fill(l *Limiter, calls []*call) (rest []*call) {
	clear(b.keys)
	b.groups, b.came, b.places, b.alone = b.groups[:0], b.came[:0], b.places[:0], false
	// Asked once, so that all calls get a place or none does. If none has, and keys are
	// partitioned after all, the one run is refused, and the batch is split.
	partitioned, spent := l.partitions.exist(), 0
	for len(calls) > 0 {
		c := calls[0]
		place, known := b.keys[c.sum]
		cost := sameCost
		switch {
		case !known:
			cost = keyCost
		case c.n != b.groups[place].last:
			cost = otherCost
		}
		if spent+cost > maxCost {
			break
		}
		calls = calls[1:]
		if !l.send(c) {
			continue
		}
		if partitioned { // which keys may have turned out to be since it came
			l.batcher.place(l, c)
		}
		if err := l.breakers.of(c.partition).refuse(&c.sum); err != nil {
			c.err = err
			l.answer(c)
			continue
		}
		if !known {
			place = len(b.groups)
			b.keys[c.sum] = place
			b.groups = append(b.groups, group{})
		}
		b.groups[place].size++
		b.groups[place].last = c.n
		spent += cost
		b.came, b.places = append(b.came, c), append(b.places, place)
	}
	b.calls = slices.Grow(b.calls[:0], len(b.came))
	room := b.calls[:len(b.came)]
	for i := range b.groups {
		g := &b.groups[i]
		g.calls, room = room[:0:g.size], room[g.size:]
	}
	for i, c := range b.came {
		g := &b.groups[b.places[i]]
		g.calls = append(g.calls, c)
	}
	b.across = b.locate(l.partitions.span)
	b.sort()
	return calls
}

// locate notes the servers of all groups. It is false if they are not known.
func (b *batch) locate(span store.Spanning) (known bool) {
	if span == nil || len(b.groups) < 2 {
		return false
	}
	defer func() {
		if recover() != nil { // see call
			known = false
		}
	}()
	for i := range b.groups {
		server, ok := span.Server(b.groups[i].partition())
		if !ok {
			return false
		}
		b.groups[i].server = server
	}
	return true
}

// sort brings those of one run together, of which the plain ones last.
func (b *batch) sort() {
	across := b.across
	slices.SortFunc(b.groups, func(a, b group) int {
		if order := cmp.Compare(a.run(across), b.run(across)); order != 0 {
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
	ctx := l.deadlines.Within(context.Background(), l.timeout)
	defer ctx.End()
	switch {
	case len(b.runs) == 0: // all have left
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
		for _, g := range b.of(i) {
			decisions += len(g.calls)
		}
		l.ran(context.Background(), decisions, len(b.of(i)), start, b.failure(i))
	}
}

// report tells the breakers how the runs ended that began at start. Those of one
// breaker are one run to it: an answer to any will do.
func (b *batch) report(l *Limiter, start time.Time) {
	b.news = b.news[:0]
	for i := range b.runs {
		if b.strays(i) {
			continue // it goes again
		}
		groups, err := b.of(i), b.failure(i)
		if !b.across {
			groups = groups[:1] // all are of one partition
		}
		yes, _ := heard(err)
		for _, g := range groups {
			breaker := l.breakers.of(g.partition())
			known := slices.IndexFunc(b.news, func(n news) bool { return n.breaker == breaker })
			switch {
			case known < 0:
				b.news = append(b.news, news{breaker, &g.calls[0].sum, err})
			case yes:
				b.news[known].err = err
			}
		}
	}
	for _, n := range b.news {
		l.report(n.breaker, n.caller, start, n.err)
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
		clear(b.runs[:cap(b.runs)]) // more of them may have been in use before it was parted
		clear(b.names[:cap(b.names)])
		clear(b.news[:cap(b.news)])
		batches.Put(b)
	}
}

// encode makes the runs. All keys are parts of one string.
func (b *batch) encode(l *Limiter) {
	b.text, b.names, b.args = b.text[:0], b.names[:0], b.args[:0]
	for _, g := range b.groups {
		b.text = l.keys.appendKey(b.text, &g.calls[0].sum)
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
			for i := 0; i < len(g.calls); {
				n, requests := g.calls[i].n, 1
				for i++; i < len(g.calls) && g.calls[i].n == n; i++ {
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
	return !b.alone && b.groups[i].run(b.across) == b.groups[j].run(b.across)
}

// of returns the groups of a run.
func (b *batch) of(run int) []group {
	from := 0
	if run > 0 {
		from = b.parts[run-1]
	}
	return b.groups[from:b.parts[run]]
}

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
	groups, err := b.of(run), b.failure(run)
	if err == nil {
		err = decode(groups, l.program, b.runs[run].Reply)
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
