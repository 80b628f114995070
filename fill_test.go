package ratelimit

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// noStore is a Store whose Run must not be called.
type noStore struct{}

func (noStore) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	panic("not called")
}

// TestFillWhileLearning checks that either every call of a batch knows its partition or none
// does, even if the limiter learns at that moment that keys are partitioned. Otherwise the
// calls without a partition would share a run that a Cluster refuses each time.
func TestFillWhileLearning(t *testing.T) {
	l, err := New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Hour})
	require.NoError(t, err)
	const keys = maxCost / keyCost
	seen := map[int]int{} // the number of batches, by how many of their calls know their partition
	for round := range 2000 {
		l.partitions.of.Store(nil)
		calls := make([]*call, keys)
		for i := range calls {
			var s sum
			binary.BigEndian.PutUint32(s[:], uint32(round*keys+i))
			calls[i] = l.newCall(s, 1)
		}
		learned := make(chan struct{})
		go func() {
			l.partitions.learn()
			close(learned)
		}()
		b := &batch{keys: map[sum]int{}}
		require.Empty(t, b.fill(l, calls))
		<-learned
		placed := 0
		for _, c := range calls {
			if c.placed {
				placed++
			}
		}
		seen[placed]++
	}
	for placed := range seen {
		require.Contains(t, []int{0, keys}, placed)
	}
}

// TestFillCost checks that what a batch may cost Redis is bounded. So the script takes no more
// steps than maxCost, even where it cannot take equal calls in one step.
func TestFillCost(t *testing.T) {
	server, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	one := func(int) int64 { return 1 }
	onKeys := func(keys int) func(int) byte { return func(i int) byte { return byte(i % keys) } }
	for name, c := range map[string]struct {
		units func(i int) int64
		key   func(i int) byte
		left  func(i int) bool // the calls whose callers have left
		want  int              // how many calls go
	}{
		"equal":             {units: one, key: onKeys(1), want: 1018},
		"looks":             {units: func(int) int64 { return 0 }, key: onKeys(1), want: 1018},
		"unequal":           {units: func(i int) int64 { return int64(1 + i%2) }, key: onKeys(1), want: 340},
		"pairs":             {units: func(i int) int64 { return int64(1 + i/2%2) }, key: onKeys(1), want: 510},
		"fours":             {units: func(i int) int64 { return int64(1 + i/4%2) }, key: onKeys(1), want: 680},
		"of eight keys":     {units: one, key: onKeys(8), want: 976},
		"unequal of eight":  {units: func(i int) int64 { return int64(1 + i/8%2) }, key: onKeys(8), want: 330},
		"of a hundred keys": {units: one, key: onKeys(100), want: 424},
		"of more":           {units: one, key: onKeys(200), want: 146},
		"equal, beside others who left": {
			units: func(i int) int64 { return int64(1 + i%2) }, key: onKeys(1), left: func(i int) bool { return i%2 == 1 }, want: 1016,
		},
	} {
		for _, rate := range []int64{1, 30} { // units come back after whole µs, or not
			t.Run(fmt.Sprintf("%s/%d", name, rate), func(t *testing.T) {
				l, err := New(server, tokenbucket.Limit{Rate: rate, Period: time.Second, Burst: 100_000}, WithNamespace(fmt.Sprint("n", rand.Int())))
				require.NoError(t, err)
				var calls []*call
				for i := range 2 * maxTaken {
					calls = append(calls, l.newCall(sum{c.key(i)}, c.units(i)))
				}
				if c.left != nil {
					for i, call := range calls {
						if c.left(i) {
							call.state.Store(callLeft)
						}
					}
				}
				b := &batch{keys: map[sum]int{}}
				rest := b.fill(l, calls)
				require.Equal(t, c.want, len(b.came))
				require.True(t, b.came[c.want-1] == calls[len(calls)-len(rest)-1], "the others stay, in their order")
				b.encode(l)
				require.Len(t, b.runs, 1)
				steps := countSteps(t, server, l, b.runs[0])
				require.LessOrEqual(t, steps, int64(maxCost))
				require.Positive(t, steps)
			})
		}
	}
}

// TestFillLargeStates checks that the larger states may be, the fewer keys go in a batch, down
// to one key with further calls of its own. A flight takes no more lanes than its batch has
// room for keys, so that calls of each lane go.
func TestFillLargeStates(t *testing.T) {
	own := func(i int) (key, n int) { return i, 1 }
	equal := func(int) (key, n int) { return 0, 1 }
	unequal := func(i int) (key, n int) { return 0, 1 + i%2 }
	for _, c := range []struct {
		rate                int64 // of a log, whose state has 7 bytes for each unit
		own, equal, unequal int   // how many calls go: each of its own key, or all of one
	}{
		{10, 146, 1018, 340},
		{100, 85, 1013, 338},
		{1000, 16, 964, 322},
		{2000, 8, 909, 303},
		{5000, 3, 745, 249},
		{9000, 2, 526, 176},
		{20_000, 1, 512, 171},
		{1_000_000, 1, 512, 171},
	} {
		t.Run(fmt.Sprint(c.rate), func(t *testing.T) {
			l, err := New(noStore{}, slidingwindow.Log{Rate: c.rate, Period: time.Hour})
			require.NoError(t, err)
			require.EqualValues(t, 7, l.plan.UnitSize)
			for _, kind := range []struct {
				name string
				call func(int) (key, n int)
				want int
			}{{"own", own, c.own}, {"equal", equal, c.equal}, {"unequal", unequal, c.unequal}} {
				t.Run(kind.name, func(t *testing.T) {
					requireFilled(t, l, kind.want, kind.call)
				})
			}
			require.Equal(t, min(enough, c.own), l.sizes.enough())
		})
	}
	t.Run("huge", func(t *testing.T) {
		plan := &algorithm.Plan{Limit: 1 << 53, UnitSize: math.MaxInt64}
		require.Equal(t, maxCost/2+1, newSizes(plan).keyCost())
		require.Equal(t, 1, newSizes(plan).enough())
	})
}

// TestSizes checks that the sizes of states that runs find decide how many keys go in a batch.
// Smaller states raise the number little by little, larger ones lower it at once.
func TestSizes(t *testing.T) {
	const limit = 5000
	s := newSizes(&algorithm.Plan{Limit: limit, UnitSize: 7})
	note := func(taken ...int64) {
		var groups []group
		for _, n := range taken {
			groups = append(groups, group{calls: []*call{{}, {outcome: algorithm.Outcome{Remaining: limit - n}}}})
		}
		s.note(groups)
	}
	require.Equal(t, 3, s.enough())
	note(limit, limit)
	require.Equal(t, 3, s.enough())
	note(0, 0)
	require.EqualValues(t, limit*7/8, s.taken.Load())
	for range 100 {
		note(1, 0, 2)
	}
	require.EqualValues(t, 1, s.taken.Load())
	require.Equal(t, keyCost, s.keyCost())
	require.Equal(t, enough, s.enough())
	note(0, limit)
	require.EqualValues(t, limit/2, s.taken.Load())
	note()
	require.EqualValues(t, limit/2, s.taken.Load())

	var small *sizes
	small.note([]group{{}})
	require.Equal(t, keyCost, small.keyCost())
	require.Equal(t, enough, small.enough())
}

// taking is a Store that replies to each joint decision that n units of each limit have been
// taken.
type taking struct{ limit, n int64 }

func (s *taking) Run(_ context.Context, _ *store.Script, _ []string, args []int64) ([]int64, error) {
	return []int64{1, 0, s.limit - s.n, 1, 0, s.limit - s.n, 1}, nil
}

// TestSizesOfJoint checks that joint runs are as large as the sizes of states allow, which
// later runs learn from earlier ones.
func TestSizesOfJoint(t *testing.T) {
	const limit = 5000
	s := &taking{limit: limit}
	var limiters []*Limiter
	for _, namespace := range []string{"one", "other"} {
		l, err := New(s, slidingwindow.Log{Rate: limit, Period: time.Hour}, WithNamespace(namespace))
		require.NoError(t, err)
		limiters = append(limiters, l)
	}
	j, err := Join(limiters...)
	require.NoError(t, err)
	allow := func() {
		r, err := j.Allow(t.Context(), "x")
		require.NoError(t, err)
		require.False(t, r.Degraded)
	}
	require.Equal(t, 1, j.most(), "it knows nothing yet")
	for range 100 {
		allow()
	}
	small := maxCost / (2 * jointCost * keyCost)
	require.Equal(t, small, j.most(), "they are all small")
	s.n = limit
	allow()
	require.Equal(t, 1, j.most(), "they are all large")
}

// TestJointPrefersAnswers checks that a call that has its answer returns it, even if its
// context has ended.
func TestJointPrefersAnswers(t *testing.T) {
	l, err := New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Hour})
	require.NoError(t, err)
	j, err := Join(l)
	require.NoError(t, err)
	ended, end := context.WithCancel(t.Context())
	end()
	for range 50 {
		c := &jointCall{taken: true, results: make([]Result, 1), done: make(chan struct{})}
		c.answer()
		results, err := j.await(ended, c)
		require.NoError(t, err)
		require.Len(t, results, 1)
	}
}

// requireFilled makes batches of calls until at most want are left. It requires that each
// batch has want calls, and that the others keep their order.
func requireFilled(t *testing.T, l *Limiter, want int, of func(i int) (key, n int)) {
	t.Helper()
	var calls []*call
	for i := range 5 * want {
		key, n := of(i)
		var s sum
		binary.BigEndian.PutUint32(s[:], uint32(key))
		calls = append(calls, l.newCall(s, int64(n)))
	}
	for len(calls) > want {
		b := &batch{keys: map[sum]int{}}
		rest := b.fill(l, calls)
		require.Len(t, b.came, want)
		for i, c := range append(b.came, rest...) {
			require.True(t, c == calls[i], "the others stay, in their order")
		}
		calls = rest
	}
	require.NotEmpty(t, calls)
}

// countSteps returns how many steps the script takes in a run.
func countSteps(t *testing.T, s store.Store, l *Limiter, r store.Run) int64 {
	source := l.program.Script().Source()
	for _, edit := range [][2]string{
		{"\nlocal additive, ", "\nlocal steps, uncounted = 0, step\nlocal function step(...) steps = steps + 1 return uncounted(...) end\nlocal additive, "},
		{"\nreturn reply\n", "\nreturn {steps}\n"},
	} {
		require.Equal(t, 1, strings.Count(source, edit[0]))
		source = strings.Replace(source, edit[0], edit[1], 1)
	}
	reply, err := s.Run(t.Context(), store.NewScript("counted", source), r.Keys, r.Args)
	require.NoError(t, err)
	require.Len(t, reply, 1)
	return reply[0]
}
