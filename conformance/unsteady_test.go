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

// TestUnsteadyClock: a clock that once is ahead by less than a millisecond, and set back,
// is borne of a Valkey that does so, and of no other server.
func TestUnsteadyClock(t *testing.T) {
	setFlag(t, "rapid.nofailfile", "true")
	t.Setenv("TMPDIR", t.TempDir()) // for pictures of histories
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
				for again := 0; !failed && again < 3; again++ { // where calls come slowly, it may not show
					runs.Store(0)
					failed = record(t, check, s).Failed()
				}
				require.Equal(t, !c.borne, failed, name)
			}
		})
	}
}

// TestHeldUp: of a key that is asked for late, where times to live stand still meanwhile, as
// on an embedded Redis, it is borne that it ends later by as much, and not without that.
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
