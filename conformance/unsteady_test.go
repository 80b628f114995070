package conformance

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// TestUnsteadyClock: the suite tolerates a server clock that is once ahead by less than a
// millisecond, and then set back, but only on a Valkey whose clock is known to do so.
func TestUnsteadyClock(t *testing.T) {
	setFlag(t, "rapid.nofailfile", "true")
	t.Setenv("TMPDIR", t.TempDir()) // where pictures of histories go
	for _, c := range []struct {
		name   string
		valkey int64
		borne  bool
	}{{"Valkey9", 0x090102, true}, {"Valkey8", 0x080101, false}, {"Redis", 0, false}} {
		t.Run(c.name, func(t *testing.T) {
			var runs atomic.Int64
			s := mutant{limits: tokenBuckets, open: always(func(ctx context.Context, run call) ([]int64, error) {
				switch {
				case run.script == valkeyScript:
					return []int64{c.valkey}, nil
				case strings.Contains(run.script.Source(), readsClock) && runs.Add(1) == 30:
					source := strings.Replace(run.script.Source(), readsClock, strings.TrimSuffix(readsClock, "\n")+" + 999\n", 1)
					run.script = store.NewScript(run.script.Name(), source)
				}
				return run.run(ctx)
			})}.subject(t)
			for _, name := range []string{"ServerClock", "Linearizable"} {
				check := algorithmChecks[slices.IndexFunc(algorithmChecks, func(c check) bool { return c.name == name })]
				failed := false
				for again := 0; !failed && again < 3; again++ { // if calls come slowly, it may not show
					runs.Store(0)
					failed = record(t, check, s).Failed()
				}
				require.Equal(t, !c.borne, failed, name)
			}
		})
	}
}

// TestHeldUp: on an embedded Redis, times to live may stand still until a key is looked at. So
// if Expiry looks late, it tolerates that the key ends later by as much; otherwise it does not.
func TestHeldUp(t *testing.T) {
	setFlag(t, "rapid.nofailfile", "true")
	const held = 3 * slackMillis
	for name, late := range map[string]int64{"Late": held * 1000, "InTime": 0} {
		t.Run(name, func(t *testing.T) {
			s := mutant{limits: tokenBuckets, open: always(func(ctx context.Context, run call) ([]int64, error) {
				reply, err := run.run(ctx)
				if run.script == expiryScript && err == nil && reply[0] > 0 {
					reply[0], reply[1] = reply[0]+held, reply[1]+late
				}
				return reply, err
			})}.subject(t)
			check := algorithmChecks[slices.IndexFunc(algorithmChecks, func(c check) bool { return c.name == "Expiry" })]
			require.Equal(t, late == 0, record(t, check, s).Failed())
		})
	}
}
