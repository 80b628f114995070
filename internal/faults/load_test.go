package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

const (
	// year is a period so long that nothing comes back during a test, so that what an identity
	// lacks is what it was charged. A test is in one window of it throughout.
	year = 366 * 24 * time.Hour
	// plenty is a limit that no test reaches, scarce one that all of them exceed.
	plenty, scarce = 1_000_000, 200
)

// party is the callers of one limiter. Several callers share each identity.
type party struct {
	name       string
	mode       ratelimit.FailureMode
	rate       int64
	callers    int
	identities int
	options    []ratelimit.Option
	joint      bool // two limits, which each call takes from together
}

// parties are the callers during a fault, all on one store: in both failure modes, with and
// without batching, with and without a breaker.
var parties = []party{
	{name: "open", mode: ratelimit.FailOpen, rate: plenty, callers: 80, identities: 10},
	{name: "closed", mode: ratelimit.FailClosed, rate: plenty, callers: 80, identities: 10},
	{name: "scarce", mode: ratelimit.FailClosed, rate: scarce, callers: 30, identities: 3, options: []ratelimit.Option{ratelimit.WithoutBatching()}},
	{name: "stubborn", mode: ratelimit.FailOpen, rate: plenty, callers: 10, identities: 2, options: []ratelimit.Option{ratelimit.WithoutBreaker()}},
	{name: "{joined}", mode: ratelimit.FailClosed, rate: scarce, callers: 40, identities: 8, joint: true},
}

// load is the callers of all parties at work.
type load struct {
	t       *testing.T
	timeout time.Duration
	pause   time.Duration // between two calls of a caller, on average
	sides   []*side
	quit    chan struct{}
	stopped sync.Once
	wait    sync.WaitGroup
	late    atomic.Int64 // by how many ns a bare timer was late, at worst: see watch
}

// side is the callers of one party.
type side struct {
	party
	limiter asker
	callers []*caller

	lastDegraded atomic.Int64 // when the last call began that Redis did not decide, in Unix ns
	lastNormal   atomic.Int64 // and the last one that it did decide
}

// caller is one caller of a side. Its tally is read once it has ended.
type caller struct {
	identity string
	event    ratelimit.Event // of the last call that is over
	tally
}

type callerKey struct{}

// told is an observer that keeps the event for its caller, on whose goroutine it is called.
type told struct{}

func (told) Observe(ctx context.Context, e ratelimit.Event) {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		c.event = e
	}
}

// asker is a limiter, or two joined ones.
type asker interface {
	Allow(ctx context.Context, identity string) (ratelimit.Result, error)
	Peek(ctx context.Context, identity string) (ratelimit.Result, error)
}

// newAsker makes the limiter of a party, or its two joined ones.
func newAsker(t testing.TB, s store.Store, p party, timeout time.Duration) asker {
	first := newLimiter(t, s, p, timeout)
	if !p.joint {
		return first
	}
	p.name += "2"
	j, err := ratelimit.Join(first, newLimiter(t, s, p, timeout))
	require.NoError(t, err)
	return joined{j}
}

// joined is two limiters of the same limit. They always have the same result, unless one is
// charged without the other.
type joined struct{ limiters *ratelimit.Joint }

func (j joined) Allow(ctx context.Context, identity string) (ratelimit.Result, error) {
	return theSame(j.limiters.Allow(ctx, identity))
}

func (j joined) Peek(ctx context.Context, identity string) (ratelimit.Result, error) {
	return theSame(j.limiters.Peek(ctx, identity))
}

// theSame returns the one result of both limiters, or an error if they differ.
func theSame(r ratelimit.JointResult, err error) (ratelimit.Result, error) {
	if err != nil {
		return ratelimit.Result{}, err
	}
	first, second := r.Results[0], r.Results[1]
	if first != second || r.Degraded != first.Degraded || r.Allowed != first.Allowed {
		return ratelimit.Result{}, fmt.Errorf("one limit differs from the other: %+v", r)
	}
	return first, nil
}

// newLimiter makes the limiter of a party.
func newLimiter(t testing.TB, s store.Store, p party, timeout time.Duration) *ratelimit.Limiter {
	l, err := ratelimit.New(s, slidingwindow.Limit{Rate: p.rate, Period: year}, append([]ratelimit.Option{
		ratelimit.WithNamespace(p.name), ratelimit.WithFailureMode(p.mode),
		ratelimit.WithTimeout(timeout), ratelimit.WithObserver(told{}),
	}, p.options...)...)
	require.NoError(t, err)
	return l
}

// startLoad has the callers of the named parties call until stop, or those of parties if none
// are named.
func startLoad(t *testing.T, s store.Store, timeout time.Duration, named []party) *load {
	if named == nil {
		named = parties
	}
	l := &load{t: t, timeout: timeout, pause: 25 * time.Millisecond, quit: make(chan struct{})}
	for _, p := range named {
		side := &side{party: p, limiter: newAsker(t, s, p, timeout)}
		for i := range p.callers {
			side.callers = append(side.callers, &caller{identity: p.identity(i % p.identities)})
		}
		l.sides = append(l.sides, side)
	}
	l.wait.Go(l.watch)
	for _, side := range l.sides {
		for _, c := range side.callers {
			l.wait.Go(func() { l.call(side, c) })
		}
	}
	return l
}

// watch finds out how late a bare timer is: the machine holds callers up for as long, whatever
// the limiter does.
func (l *load) watch() {
	const pause = 20 * time.Millisecond
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for begin := time.Now(); ; begin = time.Now() {
		timer.Reset(pause)
		select {
		case <-l.quit:
			return
		case <-timer.C:
			l.late.Store(max(l.late.Load(), int64(time.Since(begin)-pause)))
		}
	}
}

func (p party) identity(i int) string { return fmt.Sprint("identity", i) }

// call makes calls for a caller until the load ends.
func (l *load) call(side *side, c *caller) {
	ctx := context.WithValue(context.Background(), callerKey{}, c)
	pause := time.NewTimer(rand.N(l.pause)) // so that they do not begin in step
	defer pause.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-pause.C:
		}
		c.event = ratelimit.Event{}
		begin := time.Now()
		result, err := side.limiter.Allow(ctx, c.identity)
		c.count(side.mode, time.Since(begin), result, err, c.event)
		if result.Degraded {
			side.lastDegraded.Store(begin.UnixNano())
		} else {
			side.lastNormal.Store(begin.UnixNano())
		}
		pause.Reset(l.pause/2 + rand.N(l.pause))
	}
}

// stop ends the callers, each after the call that it is in, and waits for them.
func (l *load) stop() {
	l.stopped.Do(func() { close(l.quit) })
	l.wait.Wait()
}

// back is how service returned after the end of a fault: how long it took until Redis had
// decided a call of each party, and until the last call began that it did not decide.
type back struct{ first, whole time.Duration }

// awaitNormal waits until Redis has decided every call for a while. It fails the test if Redis
// decides for no caller of some party, but not if calls still time out: on a machine that is
// busy with other tests some may at any time.
func (l *load) awaitNormal(end time.Time) back {
	const (
		while    = 200 * time.Millisecond
		patience = 10 * time.Second
		limit    = 60 * time.Second
	)
	var b back
	last := end
	seen := map[*side]bool{}
	calm := func() bool {
		for _, side := range l.sides {
			last = later(last, side.lastDegraded.Load())
			if at := time.Unix(0, side.lastNormal.Load()); !seen[side] && at.After(end) {
				seen[side], b.first = true, max(b.first, at.Sub(end))
			}
		}
		b.whole = last.Sub(end)
		for _, side := range l.sides {
			if !time.Unix(0, side.lastNormal.Load()).After(last.Add(while)) {
				return false
			}
		}
		return true
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !calm() {
		<-tick.C
		switch waited := time.Since(end); {
		case waited > limit:
			l.t.Errorf("after %v Redis decides for %d of %d parties", limit, len(seen), len(l.sides))
			return b
		case waited > patience && len(seen) == len(l.sides):
			l.t.Logf("after %v there still are calls that Redis does not decide: is the machine busy?", patience)
			return b
		}
	}
	return b
}

// later returns the later of two times, the second of which is in Unix ns.
func later(t time.Time, ns int64) time.Time {
	if other := time.Unix(0, ns); other.After(t) {
		return other
	}
	return t
}
