package faults

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	goclient "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	goclient.SetLogger(quiet{}) // it logs each dial that fails
	goleak.VerifyTestMain(m)
}

// TestFaults checks that the limiter does what each fault states, and that in all of them it
// keeps these promises:
//
//   - Allow returns no error while its caller's context lives.
//   - Every answer comes in time.
//   - Where Redis does not decide, the answer is that of the failure mode.
//   - Observers are told of each decision that Redis did not make, and of its class.
//   - No call is charged twice, and none that Redis allowed is free.
//   - Redis admits no more than the limit, and as much again each time that it lost its data.
//   - A joint call takes from both of its limits or from neither.
//   - Service returns by itself: no limiter or client is made anew.
//   - After Close no goroutine is left.
func TestFaults(t *testing.T) {
	needs(t)
	for _, f := range faults {
		t.Run(strings.NewReplacer(" ", "_", ",", "").Replace(f.name), func(t *testing.T) {
			t.Parallel()
			if f.slow && testing.Short() {
				t.Skip("takes long: run without -short")
			}
			seen, tried := map[ratelimit.ErrorClass]bool{}, 0
			for _, c := range clients {
				if c.defaults && !f.defaults {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					total := f.run(t, c)
					for class := range total.classes {
						seen[class] = true
					}
					tried++
				})
			}
			if t.Failed() || tried < 2 {
				return
			}
			for _, class := range f.classes {
				require.True(t, seen[class], "no client was told of class %q: it is to be declared no more, or as rare", class)
			}
		})
	}
}

// run runs the fault on a stage of its own, and checks it.
func (f *fault) run(t *testing.T, c client) *tally {
	timeout := cmp.Or(f.timeout, patience)
	if slices.Contains(f.classes, ratelimit.ClassTimeout) {
		timeout = cmp.Or(f.timeout, defaultTimeout)
	}
	st := f.stage(t)
	if f.cold {
		st.begin()
	}
	var s opened
	var l *load
	labelled(t.Name(), func() {
		var err error
		s, err = c.open(st.url, st.options)
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		l = startLoad(t, s, timeout, f.parties)
		t.Cleanup(l.stop) // if the test ends early: the next test may have the same servers
	})
	if !f.cold {
		l.awaitNormal(time.Now())
		st.begin()
	}
	<-time.After(cmp.Or(f.lasts, defaultLasts)) // the fault takes its time
	st.end()
	returned := l.awaitNormal(time.Now())
	l.stop()
	require.NoError(t, s.Close())
	checkGoroutines(t, t.Name())

	total := l.total()
	charged, unanswered := l.checkCharges(t, f, st)
	t.Logf("%d decided by Redis, %d not: %v; the longest answer took %v (timeout %v, the machine late by %v); charged %d, %d more than were allowed; back after %v, wholly after %v",
		total.allowed+total.denied, total.degraded, total.classes, total.longest.Round(time.Millisecond), timeout, time.Duration(l.late.Load()).Round(time.Millisecond),
		charged, unanswered, returned.first.Round(time.Millisecond), returned.whole.Round(time.Millisecond))
	f.check(t, total, unanswered, returned)
	if late := time.Duration(l.late.Load()); total.longest > timeout+slack+late {
		t.Errorf("an answer took %v, with a timeout of %v, on a machine late by %v", total.longest, timeout, late)
	}
	return total
}

// check compares what was seen with what the fault states.
func (f *fault) check(t *testing.T, total *tally, unanswered int64, returned back) {
	for _, wrong := range total.wrong {
		t.Error(wrong)
	}
	for class, n := range total.classes {
		if !slices.Contains(f.classes, class) && !slices.Contains(f.rare, class) {
			t.Errorf("class %q, %d times: %v", class, n, total.examples[class])
		}
		t.Logf("%s: %v", class, total.examples[class])
	}
	switch {
	case f.answers && total.degraded > 0:
		t.Errorf("Redis could answer, yet did not decide %d calls", total.degraded)
	case len(f.classes) > 0 && total.degraded == 0:
		t.Error("Redis decided everything: where is the fault?")
	}
	if f.mostly && total.degraded > total.allowed+total.denied {
		t.Errorf("Redis could decide most calls, yet %d of %d were not", total.degraded, total.allowed+total.denied+total.degraded)
	}
	if f.charges && unanswered <= 0 {
		t.Error("nothing was charged without an answer")
	}
	if limit := cmp.Or(f.within, defaultWithin) + slack; returned.first > limit {
		t.Errorf("service returned %v after the end, not within %v", returned.first, limit)
	}
}

// needs skips a test if the redis-server is too old: it must count errors by code, and refuse
// writes in scripts as it does elsewhere.
func needs(t *testing.T) {
	t.Helper()
	redistest.Needs(t, 7, 0)
}
