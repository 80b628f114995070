package ratelimit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// TestJoint checks that either all limiters take their units or none does, on one Redis and on
// a Cluster.
func TestJoint(t *testing.T) {
	onRedis(t, func(t *testing.T, s site) {
		st := s.open(t)
		burst := newLimiter(t, st, tokenbucket.Limit{Rate: 2, Period: month}, ratelimit.WithNamespace("{api}burst"))
		daily := newLimiter(t, st, slidingwindow.Limit{Rate: 10, Period: month}, ratelimit.WithNamespace("{api}daily"))
		strict := newLimiter(t, st, slidingwindow.Log{Rate: 5, Period: month}, ratelimit.WithNamespace("{api}strict"))
		j, err := ratelimit.Join(burst, daily, strict)
		require.NoError(t, err)

		for i := range int64(2) {
			r, err := j.Allow(t.Context(), "alice")
			require.NoError(t, err)
			require.True(t, r.Allowed)
			require.False(t, r.Degraded)
			require.Equal(t, -1, r.Denied)
			require.Zero(t, r.RetryAfter)
			for k, limit := range []int64{2, 10, 5} {
				require.Equal(t, limit, r.Results[k].Limit)
				require.Equal(t, limit-1-i, r.Results[k].Remaining)
				require.WithinDuration(t, time.Now(), r.Results[k].Now, time.Minute)
			}
		}
		for range 3 { // one says no: none is charged
			r, err := j.Allow(t.Context(), "alice")
			require.NoError(t, err)
			require.False(t, r.Allowed)
			require.Equal(t, 0, r.Denied)
			require.Equal(t, r.Results[0].RetryAfter, r.RetryAfter)
			require.Positive(t, r.RetryAfter)
			require.True(t, r.Results[1].Allowed, "it would have")
			require.EqualValues(t, 8, r.Results[1].Remaining)
			require.EqualValues(t, 3, r.Results[2].Remaining)
		}
		require.EqualValues(t, 8, allow(t, daily, "alice", 0).Remaining, "the states are the limiters' own")

		// Each limiter has its own identity, and its own number of units.
		r, err := j.AllowN(t.Context(), ratelimit.Part{Identity: "bob", N: 1}, ratelimit.Part{Identity: "alice", N: 8}, ratelimit.Part{Identity: "bob", N: 6})
		require.NoError(t, err)
		require.False(t, r.Allowed)
		require.Equal(t, 2, r.Denied)
		require.Equal(t, algorithm.Never, r.RetryAfter)
		r, err = j.AllowN(t.Context(), ratelimit.Part{Identity: "alice", N: 0}, ratelimit.Part{Identity: "alice", N: 8}, ratelimit.Part{Identity: "bob", N: 5})
		require.NoError(t, err)
		require.True(t, r.Allowed, "who is only looked at has no say")
		require.False(t, r.Results[0].Allowed)
		require.Zero(t, r.Results[1].Remaining)
		require.Zero(t, r.Results[2].Remaining)
		r, err = j.AllowN(t.Context(), ratelimit.Part{Identity: "erin", N: 2}, ratelimit.Part{Identity: "erin", N: 1}, ratelimit.Part{Identity: "bob", N: 0})
		require.NoError(t, err)
		require.True(t, r.Allowed, "wherever it stands")
		require.False(t, r.Results[2].Allowed)
		require.Zero(t, r.Results[0].Remaining)

		// Denied is the limiter that says no for longest, wherever it stands.
		r, err = j.AllowN(t.Context(), ratelimit.Part{Identity: "alice", N: 1}, ratelimit.Part{Identity: "dave", N: 11}, ratelimit.Part{Identity: "bob", N: 1})
		require.NoError(t, err)
		require.False(t, r.Results[0].Allowed || r.Results[1].Allowed || r.Results[2].Allowed)
		require.Equal(t, 1, r.Denied)
		require.Equal(t, algorithm.Never, r.RetryAfter)

		peek, err := j.Peek(t.Context(), "alice")
		require.NoError(t, err)
		require.False(t, peek.Allowed)
		peek, err = j.Peek(t.Context(), "carol")
		require.NoError(t, err)
		require.True(t, peek.Allowed)
		require.EqualValues(t, 2, peek.Results[0].Remaining)
	})
}

// TestJointExactly checks that concurrent calls are charged the same by all limiters, and that
// as many are admitted as the lowest limit allows.
func TestJointExactly(t *testing.T) {
	onRedis(t, func(t *testing.T, s site) {
		st := s.open(t)
		few := newLimiter(t, st, tokenbucket.Limit{Rate: 50, Period: month}, ratelimit.WithNamespace("{j}few"))
		many := newLimiter(t, st, tokenbucket.Limit{Rate: 120, Period: month}, ratelimit.WithNamespace("{j}many"))
		j, err := ratelimit.Join(few, many)
		require.NoError(t, err)
		var admitted atomic.Int64
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				for k := range 20 {
					one, another := ratelimit.Part{Identity: "user", N: 1}, ratelimit.Part{Identity: "all", N: 1}
					if (i+k)%4 == 0 {
						one.Identity = "another"
					}
					r, err := j.AllowN(context.Background(), one, another)
					if err != nil || r.Degraded {
						t.Errorf("%+v, %v", r, err)
					}
					if r.Allowed {
						admitted.Add(1)
					}
				}
			})
		}
		all.Wait()
		left := allow(t, few, "user", 0).Remaining + allow(t, few, "another", 0).Remaining
		require.EqualValues(t, 100, admitted.Load())
		require.Zero(t, left)
		require.EqualValues(t, 20, allow(t, many, "all", 0).Remaining, "nothing was charged for denials")
	})
}

// TestJoinOnCluster checks that limiters whose keys would be in several hash slots cannot be
// joined. No server is asked to find that out.
func TestJoinOnCluster(t *testing.T) {
	cluster, err := goredis.Open("redis://127.0.0.1:1", goredis.WithCluster())
	require.NoError(t, err)
	defer cluster.Close()
	join := func(namespaces ...string) error {
		var limiters []*ratelimit.Limiter
		for _, n := range namespaces {
			limiters = append(limiters, newLimiter(t, cluster, fast, ratelimit.WithNamespace(n)))
		}
		_, err := ratelimit.Join(limiters...)
		return err
	}
	require.NoError(t, join("{api}second", "{api}day"))
	require.NoError(t, join("second"), "one limiter's keys are in a run each")
	require.EqualError(t, join("second", "day"), `ratelimit: limiter 0 to join: the keys of its namespace "second" are in many hash slots of the Cluster: give the namespaces one hash tag, such as "{api}second" and "{api}day"`)
	require.ErrorContains(t, join("{api}second", "day"), `limiter 1 to join: the keys of its namespace "day" are in many hash slots`)
	require.ErrorContains(t, join("{api}second", "{web}second"), `limiter 1 to join: the keys of its namespace "{web}second" are in another hash slot than those of "{api}second"`)
}

func TestJoinRefuses(t *testing.T) {
	redis, other := start(t), start(t)
	a := newLimiter(t, redis, fast, ratelimit.WithNamespace("a"))
	b := newLimiter(t, redis, fast, ratelimit.WithNamespace("b"))
	for want, limiters := range map[string][]*ratelimit.Limiter{
		"ratelimit: 0 limiters to join: must be 1 to 16":                                                                     {},
		"ratelimit: 17 limiters to join: must be 1 to 16":                                                                    make([]*ratelimit.Limiter, 17),
		"ratelimit: limiter 1 to join was not made by New":                                                                   {a, nil},
		"ratelimit: limiter 0 to join was not made by New":                                                                   {{}, a},
		"ratelimit: limiters 0 and 2 to join do not have the same store":                                                     {a, b, newLimiter(t, other, fast)},
		`ratelimit: limiters 1 and 2 to join both have the namespace and algorithm "b:token_bucket", and so the same states`: {a, b, b},
	} {
		_, err := ratelimit.Join(limiters...)
		require.EqualError(t, err, want)
	}
	uncomparable := incomparable{nil}
	_, err := ratelimit.Join(newLimiter(t, uncomparable, fast), newLimiter(t, uncomparable, fast, ratelimit.WithNamespace("b")))
	require.ErrorContains(t, err, "do not have the same store")
	_, err = ratelimit.Join(newLimiter(t, uncomparable, fast))
	require.NoError(t, err, "there is one store")

	secret := newLimiter(t, redis, fast, ratelimit.WithNamespace("b"), ratelimit.WithIdentityKey(make([]byte, 16)))
	_, err = ratelimit.Join(b, secret)
	require.NoError(t, err, "their keys differ")

	j, err := ratelimit.Join(a, b)
	require.NoError(t, err)
	for _, test := range []struct {
		parts []ratelimit.Part
		want  error
		text  string
	}{
		{nil, ratelimit.ErrParts, "ratelimit: not one part for each limiter: 0 parts, 2 limiters"},
		{[]ratelimit.Part{{"x", 1}}, ratelimit.ErrParts, "ratelimit: not one part for each limiter: 1 parts, 2 limiters"},
		{[]ratelimit.Part{{"x", 1}, {"", 1}}, ratelimit.ErrIdentity, "ratelimit: identity is empty (part 1)"},
		{[]ratelimit.Part{{"x", -1}, {"y", 1}}, ratelimit.ErrN, "ratelimit: n is negative: it is -1 (part 0)"},
	} {
		r, err := j.AllowN(t.Context(), test.parts...)
		require.ErrorIs(t, err, test.want)
		require.EqualError(t, err, test.text)
		require.Equal(t, ratelimit.JointResult{Denied: -1}, r)
	}
	_, err = (*ratelimit.Joint)(nil).Allow(t.Context(), "x")
	require.Error(t, err)
	_, err = new(ratelimit.Joint).Allow(t.Context(), "x")
	require.Error(t, err)
}

// incomparable is a store on which == would panic.
type incomparable struct{ _ []int }

func (incomparable) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	return nil, context.DeadlineExceeded
}

// TestJointDegraded checks that a call that Redis does not decide is allowed only if all
// limiters fail open, and that each limiter's observers are told of their own part.
func TestJointDegraded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redis := &moody{away: refuses}
		var open, closed witness
		o := open.limiter(t, redis, ratelimit.WithNamespace("open"), ratelimit.WithTimeout(time.Second))
		c := closed.limiter(t, redis, ratelimit.WithNamespace("closed"), ratelimit.WithFailureMode(ratelimit.FailClosed))
		both, err := ratelimit.Join(o, c)
		require.NoError(t, err)
		lenient, err := ratelimit.Join(o, c.WithFailureMode(ratelimit.FailOpen))
		require.NoError(t, err)

		r, err := lenient.Allow(t.Context(), "x")
		require.NoError(t, err)
		require.True(t, r.Allowed && r.Degraded)
		require.Equal(t, -1, r.Denied)
		require.Equal(t, ratelimit.ClassRefused, open.take()[0].Class)
		require.Equal(t, ratelimit.ClassRefused, closed.take()[0].Class)

		r, err = both.Allow(t.Context(), "x")
		require.NoError(t, err)
		require.False(t, r.Allowed)
		require.True(t, r.Degraded)
		require.Equal(t, 1, r.Denied)
		told := open.take()
		require.Zero(t, told[0].N, "it would have let it through")
		require.EqualValues(t, 1, closed.take()[0].N)

		r, err = lenient.AllowN(t.Context(), ratelimit.Part{"x", 1}, ratelimit.Part{"x", 1e9})
		require.NoError(t, err)
		require.False(t, r.Allowed, "no state of Redis could allow it")
		require.Equal(t, algorithm.Never, r.RetryAfter)
		open.take()
		closed.take()

		// That was the third failure in a row, so the first limiter's breaker is open.
		require.Contains(t, open.states(), ratelimit.BreakerOpen)
		redis.counts()
		r, err = both.Allow(t.Context(), "x")
		require.NoError(t, err)
		require.True(t, r.Degraded)
		require.Equal(t, ratelimit.ClassBreaker, open.take()[0].Class)
		asked, _ := redis.counts()
		require.Zero(t, asked)
		redis.comeBack()

		// A caller who leaves.
		open.take()
		redis.set(hangs)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		r, err = both.Allow(ctx, "x")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, ratelimit.JointResult{Denied: -1}, r)
		require.Equal(t, ratelimit.ClassCanceled, open.take()[0].Class)

		// The shortest timeout holds: here the default, 250 ms.
		begin := time.Now()
		r, err = both.Allow(t.Context(), "x")
		require.NoError(t, err)
		require.True(t, r.Degraded)
		require.Equal(t, 250*time.Millisecond, time.Since(begin))
		redis.comeBack()
	})
}

// TestJointGivenUp checks that callers that leave do not open the breaker: they say nothing of
// Redis.
func TestJointGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redis := &moody{away: hangs}
		var w witness
		j, err := ratelimit.Join(w.limiter(t, redis), w.limiter(t, redis, ratelimit.WithNamespace("other")))
		require.NoError(t, err)
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			_, err := j.Allow(ctx, "x")
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.Empty(t, w.states())
		redis.comeBack()
	})
}

// TestJointEvents checks that if a limiter was not charged because another denied the call,
// its observers are told of a Peek: N is 0.
func TestJointEvents(t *testing.T) {
	redis := start(t)
	var one, two events
	a := newLimiter(t, redis, tokenbucket.Limit{Rate: 1, Period: time.Hour}, ratelimit.WithNamespace("a"), ratelimit.WithObserver(&one))
	b := newLimiter(t, redis, tokenbucket.Limit{Rate: 9, Period: time.Hour}, ratelimit.WithNamespace("b"), ratelimit.WithObserver(&two))
	j, err := ratelimit.Join(a, b)
	require.NoError(t, err)
	for _, want := range []struct {
		allowed bool
		n       int64
		left    int64
	}{{true, 1, 8}, {false, 0, 8}} {
		r, err := j.Allow(t.Context(), "x")
		require.NoError(t, err)
		require.Equal(t, want.allowed, r.Allowed)
		first, second := one.take(), two.take()
		require.Len(t, first, 1)
		require.Len(t, second, 1)
		require.Equal(t, want.allowed, first[0].Result.Allowed)
		require.EqualValues(t, 1, first[0].N)
		require.Equal(t, want.n, second[0].N)
		require.Equal(t, want.left, second[0].Result.Remaining)
		require.Equal(t, "x", second[0].Identity.Reveal())
		require.Equal(t, "b", second[0].Namespace)
	}
}

func TestQuota(t *testing.T) {
	redis := start(t)
	for _, test := range []struct {
		limit  algorithm.Algorithm
		units  int64
		window time.Duration
	}{
		{tokenbucket.Limit{Rate: 100, Period: time.Minute, Burst: 20}, 20, 12 * time.Second},
		{tokenbucket.Limit{Rate: 100, Period: time.Minute}, 100, time.Minute},
		{tokenbucket.Limit{Rate: 7, Period: time.Second, Burst: 3}, 3, 428571428},
		{slidingwindow.Limit{Rate: 100, Period: time.Hour}, 100, time.Hour},
		{slidingwindow.Log{Rate: 100, Period: time.Hour}, 100, time.Hour},
	} {
		units, window := newLimiter(t, redis, test.limit).Quota()
		require.Equal(t, test.units, units, test.limit)
		require.Equal(t, test.window, window, test.limit)
	}
	units, window := (*ratelimit.Limiter)(nil).Quota()
	require.Zero(t, units)
	require.Zero(t, window)
}
