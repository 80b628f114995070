package ratelimit_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// noStore is a store whose runs all fail, for limiters that send nothing, or need no answer.
type noStore struct{}

func (noStore) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	return nil, errors.New("something was sent")
}

// funcStore is a store that is a function.
type funcStore func() ([]int64, error)

func (f funcStore) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	return f()
}

type observerFunc func(ratelimit.Event)

func (f observerFunc) Observe(_ context.Context, e ratelimit.Event) { f(e) }

type badAlgorithm struct{ plan *algorithm.Plan }

func (b badAlgorithm) Compile() (*algorithm.Plan, error) { return b.plan, nil }

func TestNewRefuses(t *testing.T) {
	good := tokenbucket.Limit{Rate: 1, Period: time.Second}
	plan, err := good.Compile()
	require.NoError(t, err)
	alter := func(change func(*algorithm.Plan)) badAlgorithm {
		p := *plan
		change(&p)
		return badAlgorithm{&p}
	}
	var typedNil *tokenbucket.Limit
	for _, c := range []struct {
		name      string
		store     store.Store
		algorithm algorithm.Algorithm
		option    ratelimit.Option
		says      []string // of the error
	}{
		{"store", nil, good, nil, []string{"store is nil"}},
		{"typed nil store", (*goredis.Store)(nil), good, nil, []string{"store is nil"}},
		{"nil func store", funcStore(nil), good, nil, []string{"store is nil"}},
		{"store of nil client", goredis.New(nil), good, nil, []string{"store is nil"}},
		{"algorithm", noStore{}, nil, nil, []string{"algorithm is nil"}},
		{"typed nil algorithm", noStore{}, typedNil, nil, []string{"algorithm is nil"}},

		{"rate 0", noStore{}, tokenbucket.Limit{Period: time.Second}, nil, []string{"Rate", "0"}},
		{"rate negative", noStore{}, tokenbucket.Limit{Rate: -5, Period: time.Second}, nil, []string{"Rate", "-5"}},
		{"rate too large", noStore{}, tokenbucket.Limit{Rate: 1<<61 - 1, Period: time.Second}, nil, []string{"Rate", "2305843009213693951"}},
		{"rate largest", noStore{}, tokenbucket.Limit{Rate: math.MaxInt64, Period: time.Microsecond}, nil, []string{"Rate", "9223372036854775807"}},
		{"period 0", noStore{}, tokenbucket.Limit{Rate: 1}, nil, []string{"Period", "0s"}},
		{"period negative", noStore{}, tokenbucket.Limit{Rate: 1, Period: -time.Second}, nil, []string{"Period", "-1s"}},
		{"period too fine", noStore{}, tokenbucket.Limit{Rate: 1, Period: 1500 * time.Nanosecond}, nil, []string{"Period", "1.5µs"}},
		{"period too long", noStore{}, tokenbucket.Limit{Rate: 1, Period: math.MaxInt64 / 1000 * 1000}, nil, []string{"Rate", "142 years"}},
		{"burst negative", noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Second, Burst: -1}, nil, []string{"Burst", "-1"}},
		{"burst too large", noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Hour, Burst: math.MaxInt64}, nil, []string{"Burst", "9223372036854775807"}},
		{"burst too slow", noStore{}, tokenbucket.Limit{Rate: 1, Period: month, Burst: 10_000}, nil, []string{"Burst", "10000", "142 years"}},
		{"burst inexact", noStore{}, tokenbucket.Limit{Rate: 999_983, Period: time.Second, Burst: 1e11}, nil, []string{"Burst", "100000000000"}},

		{"window rate 0", noStore{}, slidingwindow.Limit{Period: time.Second}, nil, []string{"Rate", "0"}},
		{"window rate too large", noStore{}, slidingwindow.Limit{Rate: 94_906_266, Period: time.Second}, nil, []string{"Rate", "94906266"}},
		{"window period 0", noStore{}, slidingwindow.Limit{Rate: 1}, nil, []string{"Period", "0s"}},
		{"window period negative", noStore{}, slidingwindow.Limit{Rate: 1, Period: -1}, nil, []string{"Period", "-1ns"}},
		{"window period too fine", noStore{}, slidingwindow.Limit{Rate: 1, Period: 1001}, nil, []string{"Period", "1.001µs"}},
		{"window period too long", noStore{}, slidingwindow.Limit{Rate: 1, Period: math.MaxInt64}, nil, []string{"Period", "2562047h47m16.854775807s"}},
		{"log rate 0", noStore{}, slidingwindow.Log{Period: time.Second}, nil, []string{"Rate", "0"}},
		{"log rate too large", noStore{}, slidingwindow.Log{Rate: 1_000_001, Period: time.Second}, nil, []string{"Rate", "1000001"}},
		{"log period 0", noStore{}, slidingwindow.Log{Rate: 1}, nil, []string{"Period", "0s"}},

		{"plan nil", noStore{}, badAlgorithm{}, nil, []string{"plan is nil"}},
		{"plan name", noStore{}, alter(func(p *algorithm.Plan) { p.Name = "a:b" }), nil, []string{"Name", `"a:b"`}},
		{"plan lua", noStore{}, alter(func(p *algorithm.Plan) { p.Lua = "" }), nil, []string{"Lua does not define"}},
		{"plan limit", noStore{}, alter(func(p *algorithm.Plan) { p.Limit = 0 }), nil, []string{"Limit is 0"}},
		{"plan unit size", noStore{}, alter(func(p *algorithm.Plan) { p.UnitSize = -1 }), nil, []string{"UnitSize is -1: must be at least 0"}},
		{"plan step", noStore{}, alter(func(p *algorithm.Plan) { p.Step = nil }), nil, []string{"Step is nil"}},
		{"plan bound", noStore{}, alter(func(p *algorithm.Plan) { p.Bound = nil }), nil, []string{"Bound is nil"}},
		{"plan params", noStore{}, alter(func(p *algorithm.Plan) { p.Params = make([]int64, 7) }), nil, []string{"Params has 7"}},
		{"plan param", noStore{}, alter(func(p *algorithm.Plan) { p.Params = []int64{1<<53 + 1} }), nil, []string{"Params[0]", "9007199254740993"}},

		{"namespace empty", noStore{}, good, ratelimit.WithNamespace(""), []string{"namespace is empty"}},
		{"namespace colon", noStore{}, good, ratelimit.WithNamespace("a:b"), []string{"namespace", `"a:b"`}},
		{"namespace newline", noStore{}, good, ratelimit.WithNamespace("a\nb"), []string{"namespace", `"a\nb"`}},
		{"namespace NUL", noStore{}, good, ratelimit.WithNamespace("\x00"), []string{"namespace"}},
		{"namespace DEL", noStore{}, good, ratelimit.WithNamespace("\x7f"), []string{"namespace"}},
		{"namespace C1", noStore{}, good, ratelimit.WithNamespace("\u0085"), []string{"namespace"}},
		{"namespace UTF-8", noStore{}, good, ratelimit.WithNamespace("\xff"), []string{"namespace", `\xff`}},
		{"mode", noStore{}, good, ratelimit.WithFailureMode(7), []string{"failure mode", "7"}},
		{"timeout 0", noStore{}, good, ratelimit.WithTimeout(0), []string{"timeout", "0s"}},
		{"timeout negative", noStore{}, good, ratelimit.WithTimeout(-time.Second), []string{"timeout", "-1s"}},
		{"observer", noStore{}, good, ratelimit.WithObserver(nil), []string{"observer is nil"}},
		{"secret nil", noStore{}, good, ratelimit.WithIdentityKey(nil), []string{"identity key", "0 bytes"}},
		{"secret short", noStore{}, good, ratelimit.WithIdentityKey([]byte("hunter2")), []string{"identity key", "7 bytes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := ratelimit.New(c.store, c.algorithm, c.option)
			require.Error(t, err)
			require.Nil(t, l)
			require.True(t, strings.HasPrefix(err.Error(), "ratelimit: "), err.Error())
			require.NotContains(t, err.Error(), "hunter2")
			for _, s := range c.says {
				require.ErrorContains(t, err, s)
			}
		})
	}
}

func TestCallsThatCannotBeMeant(t *testing.T) {
	sent := 0
	l, err := ratelimit.New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Second},
		ratelimit.WithObserver(observerFunc(func(ratelimit.Event) { sent++ })))
	require.NoError(t, err)
	ctx := context.Background()

	r, err := l.Allow(ctx, "")
	require.ErrorIs(t, err, ratelimit.ErrIdentity)
	require.Zero(t, r)
	_, err = l.Peek(ctx, "")
	require.ErrorIs(t, err, ratelimit.ErrIdentity)
	require.ErrorIs(t, l.Reset(ctx, ""), ratelimit.ErrIdentity)
	r, err = l.AllowN(ctx, "x", -3)
	require.ErrorIs(t, err, ratelimit.ErrN)
	require.ErrorContains(t, err, "-3")
	require.Zero(t, r)
	require.Zero(t, sent, "nothing was decided")

	for _, unmade := range []*ratelimit.Limiter{nil, {}} {
		_, err = unmade.Allow(ctx, "x")
		require.ErrorContains(t, err, "New")
		require.ErrorContains(t, unmade.Reset(ctx, "x"), "New")
	}
}
