package ratelimit

import (
	"cmp"
	"slices"
	"sync"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// The size of a batch is bounded by its cost to Redis, in units of half a µs: a batch keeps
// Redis from everything else for about half a millisecond.
const (
	maxCost = 1024
	// keyCost is the cost of the first decision of a key. It is higher if states are large:
	// see sizes.
	keyCost = 7
	// otherCost is the cost of a further decision of the key, if its n is not that of the one
	// before.
	otherCost = 3
	// sameCost is the cost of a further decision with the same n. Where the script takes all
	// of these in one step, they cost Redis nothing.
	sameCost = 1
)

// batch is the calls that go to Redis together: in one run, or in one run for each server
// that has their keys, or in one for each partition of their keys.
type batch struct {
	keys   map[sum]int // the index of the group of each key
	groups []group
	came   []*call // all calls, in the order in which they came
	places []int   // for each of came, the index of its group
	calls  []*call // all calls, group by group
	runs   []store.Run
	parts  []int // for each of runs, the index where its groups end
	text   []byte
	names  []string
	args   []int64
	across bool  // keys of several partitions may share a run, if they are on one server
	alone  bool  // each key has a run of its own
	err    error // if not nil, the error of all runs; the store may then still be using the batch
	news   []news
}

// group is the calls of one key, in the order in which they came.
type group struct {
	calls  []*call
	size   int    // how many calls it will have
	last   int64  // the n of its last call
	server uint64 // that has the key, if the batch goes across partitions
}

func (g group) partition() uint64 { return g.calls[0].partition }

// runOf returns a number that all groups of the same run share: their server or their
// partition.
func (g group) runOf(across bool) uint64 {
	if across {
		return g.server
	}
	return g.partition()
}

// plain reports whether the group is one call, for one unit.
func (g group) plain() bool { return len(g.calls) == 1 && g.calls[0].n == 1 }

var batches = sync.Pool{New: func() any { return &batch{keys: make(map[sum]int, maxCost/keyCost)} }}

// fill makes a batch of calls, and returns those that did not fit.
func (b *batch) fill(l *Limiter, calls []*call) (rest []*call) {
	clear(b.keys)
	b.groups, b.came, b.places, b.alone = b.groups[:0], b.came[:0], b.places[:0], false
	// Asked once, so that either all calls get a partition or none does. If none does, but
	// keys are partitioned after all, Redis refuses the one run, and the batch is split.
	partitioned, ofKey, spent := l.partitions.exist(), l.sizes.keyCost(), 0
	for len(calls) > 0 {
		c := calls[0]
		place, known := b.keys[c.sum]
		cost := sameCost
		switch {
		case !known:
			cost = ofKey
		case c.n != b.groups[place].last:
			cost = otherCost
		}
		if spent+cost > maxCost {
			break
		}
		calls = calls[1:]
		if !l.take(c) {
			continue
		}
		if partitioned { // keys may have turned out to be so since c came
			l.batcher.findPartition(l, c)
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
	b.gather()
	b.across = b.locate(l.partitions.span)
	b.sort()
	return calls
}

// gather gives each group its calls. Those of all groups share one array.
func (b *batch) gather() {
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
}

// locate sets the server of each group. It reports whether all of them are known.
func (b *batch) locate(span store.Spanning) (known bool) {
	if span == nil || len(b.groups) < 2 {
		return false
	}
	defer func() {
		if recover() != nil { // the store panicked: see call
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

// sort brings the groups of each run together, with its plain ones last.
func (b *batch) sort() {
	across := b.across
	slices.SortFunc(b.groups, func(a, b group) int {
		if order := cmp.Compare(a.runOf(across), b.runOf(across)); order != 0 {
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

// groupsOf returns the groups of a run.
func (b *batch) groupsOf(run int) []group {
	from := 0
	if run > 0 {
		from = b.parts[run-1]
	}
	return b.groups[from:b.parts[run]]
}

// release puts the batch back into the pool, unless the store may still be using it.
func (b *batch) release() {
	if b.err == nil {
		clear(b.runs[:cap(b.runs)]) // there may have been more of them before part
		clear(b.names[:cap(b.names)])
		clear(b.news[:cap(b.news)])
		batches.Put(b)
	}
}
