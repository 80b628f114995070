package faults

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// charged returns what each identity of the load was charged. It reads that from Redis, and
// waits until the charges no longer change.
func (l *load) charged(t *testing.T, st *stage) map[*side]map[string]int64 {
	url, options := st.url, st.options
	if st.judge != "" {
		url, options.TLSConfig = st.judge, nil
	}
	s, err := clients[0].open(url, options)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	limiters := map[*side]asker{}
	for _, side := range l.sides {
		limiters[side] = newAsker(t, s, side.party, 10*time.Second)
	}
	read := func() map[*side]map[string]int64 {
		all := map[*side]map[string]int64{}
		for _, side := range l.sides {
			all[side] = map[string]int64{}
			for i := range side.identities {
				identity := side.identity(i)
				r, err := limiters[side].Peek(context.Background(), identity)
				require.NoError(t, err)
				require.False(t, r.Degraded, "the judge was not answered")
				all[side][identity] = r.Limit - r.Remaining
			}
		}
		return all
	}
	last := read()
	require.Eventually(t, func() bool {
		before := last
		last = read()
		return equal(before, last)
	}, 10*time.Second, 20*time.Millisecond, "charges go on")
	return last
}

func equal(a, b map[*side]map[string]int64) bool {
	for side := range a {
		for identity, n := range a[side] {
			if b[side][identity] != n {
				return false
			}
		}
	}
	return true
}

// checkCharges checks that each identity was charged at most once for a call, and that Redis
// admitted no more than the limits. It returns how many units were charged, and how many of
// these for calls that got no answer (less what Redis has lost).
func (l *load) checkCharges(t *testing.T, f *fault, st *stage) (charged, unanswered int64) {
	all := l.charged(t, st)
	for _, side := range l.sides {
		var admitted, forgotten int64
		for identity, calls := range side.byIdentity() {
			n := all[side][identity]
			charged += n
			unanswered += n - calls.allowed
			admitted += calls.allowed
			forgotten += max(0, calls.allowed-n)
			if n > calls.allowed+calls.unknown {
				t.Errorf("%s %s: charged %d times: %d calls were allowed, of %d the outcome is unknown, of %v it is not: %v", side.name, identity, n, calls.allowed, calls.unknown, calls.classes, calls.examples)
			}
			if n < calls.allowed && f.losses == 0 {
				t.Errorf("%s %s: charged %d times, though %d calls were allowed", side.name, identity, n, calls.allowed)
			}
		}
		bound := side.rate * int64(side.identities) * int64(1+f.losses)
		if admitted > bound {
			t.Errorf("%s: Redis admitted %d, of %d", side.name, admitted, bound)
		}
		if f.losses > 0 && side.rate == scarce {
			t.Logf("Redis lost its data %d times and admitted %d to %d identities, each with a limit of %d", f.losses, admitted, side.identities, side.rate)
		}
		if forgotten > 0 {
			t.Logf("%s: of %d calls that were allowed, Redis has forgotten %d", side.name, admitted, forgotten)
		}
	}
	return charged, unanswered
}
