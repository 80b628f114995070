package ratelimit_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// replay is a store that repeats the first reply of another store, so that a benchmark
// measures the limiter alone.
type replay struct {
	store.Store
	reply []int64
}

func (r *replay) Prompt() bool { return true }

func (r *replay) Run(ctx context.Context, s *store.Script, keys []string, args []int64) (_ []int64, err error) {
	if r.reply == nil {
		r.reply, err = r.Store.Run(ctx, s, keys, args)
	}
	return r.reply, err
}

type decisionsOnly struct{}

func (decisionsOnly) Observe(context.Context, ratelimit.Event) {}

type runsToo struct{ decisionsOnly }

func (runsToo) ObserveRun(ratelimit.RunEvent) {}

// BenchmarkObserver measures what a decision costs the limiter itself, with and without
// observers that do nothing.
func BenchmarkObserver(b *testing.B) {
	for _, bench := range []struct {
		name    string
		options []ratelimit.Option
	}{
		{"None", nil},
		{"Decisions", []ratelimit.Option{ratelimit.WithObserver(decisionsOnly{})}},
		{"DecisionsAndRuns", []ratelimit.Option{ratelimit.WithObserver(runsToo{})}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			redis, err := embedded.Start()
			require.NoError(b, err)
			defer redis.Close()
			l, err := ratelimit.New(&replay{Store: redis}, fast, bench.options...)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if r, _ := l.Allow(context.Background(), "user:12345"); r.Degraded {
					b.Fatal("not decided")
				}
			}
		})
	}
}
