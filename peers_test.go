package ratelimit_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
)

// Each test of this file is for a bug that other rate limiters in wide use, the peers, have or
// had. Its comment says what the bug is.

// A peer that keeps the time since 2017 in a double answers Remaining 8 of 10 for a fresh key,
// from 2025 on. TestExact of package algorithm has the whole grid of limits and clocks.
func TestPeer01FreshKeyHasItsUnits(t *testing.T) {
	r := start(t)
	for _, year := range []int{2017, 2025, 2026, 2034, 2038, 2106, 2200} {
		r.SetTime(time.Date(year, 8, 1, 12, 34, 56, 789_123_000, time.UTC))
		for kind, limit := range kinds {
			for _, rate := range []int64{3, 6, 7, 10, 20, 60, 999} {
				l := newLimiter(t, r, limit(rate, time.Second), ratelimit.WithNamespace(fmt.Sprint(year, "-", rate)))
				require.Equal(t, rate-1, allow(t, l, "x", 1).Remaining, "%s %d in %d", kind, rate, year)
			}
		}
	}
}

// A client that retries an EVALSHA after its read timeout charges a call up to four times.
// This limiter must charge it once, or not at all.
func TestPeer02ChargedAtMostOnce(t *testing.T) {
	onRedis(t, func(t *testing.T, s site) {
		l := newLimiter(t, s.open(t), tokenbucket.Limit{Rate: 1000, Period: month}, ratelimit.WithTimeout(300*time.Millisecond))
		for i, pause := range []time.Duration{100 * time.Millisecond, 1500 * time.Millisecond} {
			identity := fmt.Sprint("caller", i)
			allow(t, l, identity, 1)
			for range 20 { // to warm up the pool
				allow(t, l, "other"+identity, 1)
			}
			var wait sync.WaitGroup
			for _, node := range s.nodes {
				node.Pause()
				wait.Add(1)
				time.AfterFunc(pause, func() { node.Resume(); wait.Done() })
			}
			const calls = 10
			for range calls {
				wait.Go(func() {
					_, err := l.Allow(context.Background(), identity)
					require.NoError(t, err)
				})
			}
			wait.Wait()
			left := settled(t, l, identity)
			require.GreaterOrEqual(t, left, int64(1000-1-calls), "charged more than once")
			if pause < 300*time.Millisecond {
				require.Equal(t, int64(1000-1-calls), left, "all were answered")
			}
		}
	})
}

// settled returns Remaining once everything that was sent to a Redis that hung has run, and
// the client has connected again. It waits for 5 s at most.
func settled(t testing.TB, l *ratelimit.Limiter, identity string) int64 {
	var last int64 = -1
	require.Eventually(t, func() bool {
		r, err := l.Peek(context.Background(), identity)
		same := err == nil && !r.Degraded && r.Remaining == last
		last = r.Remaining
		return same
	}, 5*time.Second, 100*time.Millisecond)
	return last
}

// Identities such as "" and "}x" make peers panic or answer CROSSSLOT.
func TestPeer03AnyIdentity(t *testing.T) {
	nasty := []string{"}x", "{", "}", "{}", "{}{", "{a}{b}", "a b", "\x00", "a\x00", "\n", "\r\n", "x\n", " ", ":", "a:b", "*", "?",
		"\xff\xfe", "é", "e\u0301", strings.Repeat("x", 10<<10), strings.Repeat("{", 10<<10), "🙂", "%s%d", "'; --"}
	onRedis(t, func(t *testing.T, s site) {
		for kind, limit := range kinds {
			l := newLimiter(t, s.open(t), limit(2, month))
			_, err := l.Allow(context.Background(), "")
			require.ErrorIs(t, err, ratelimit.ErrIdentity)
			for _, identity := range nasty {
				require.Equal(t, int64(1), allow(t, l, identity, 1).Remaining, "%s: %.20q is no other identity", kind, identity)
				require.Equal(t, int64(0), allow(t, l, identity, 1).Remaining)
				require.False(t, allow(t, l, identity, 1).Allowed)
				require.NoError(t, l.Reset(context.Background(), identity))
				require.Equal(t, int64(2), allow(t, l, identity, 0).Remaining)
			}
		}
	})
}

// A time to live that is rounded down to whole seconds forgets too early and admits double;
// one of 0 forgets at once.
func TestPeer04NothingIsForgottenEarly(t *testing.T) {
	limits := []algorithm.Algorithm{
		tokenbucket.Limit{Rate: 10, Period: 19 * time.Second, Burst: 1}, // 1 per 1.9 s
		tokenbucket.Limit{Rate: 2, Period: 500 * time.Millisecond},
		tokenbucket.Limit{Rate: 1, Period: 10 * time.Second, Burst: 1},
		tokenbucket.Limit{Rate: 3, Period: 2 * time.Millisecond, Burst: 1},
		slidingwindow.Limit{Rate: 1, Period: 1900 * time.Millisecond},
		slidingwindow.Limit{Rate: 2, Period: 500 * time.Millisecond},
		slidingwindow.Limit{Rate: 1, Period: 1500 * time.Microsecond},
		slidingwindow.Log{Rate: 1, Period: 1900 * time.Millisecond},
		slidingwindow.Log{Rate: 2, Period: 500 * time.Millisecond},
		slidingwindow.Log{Rate: 1, Period: 1500 * time.Microsecond},
	}
	for _, limit := range limits {
		r := start(t) // keys expire by its clock
		l := newLimiter(t, r, limit)
		for i := range 50 {
			for allow(t, l, "x", 1).Allowed {
			}
			r.Advance(allow(t, l, "x", 1).RetryAfter - time.Microsecond)
			require.False(t, allow(t, l, "x", 1).Allowed, "%#v: 1 µs early, round %d", limit, i)
			r.Advance(time.Microsecond)
			require.True(t, allow(t, l, "x", 1).Allowed, "%#v: in time, round %d", limit, i)
			r.Advance(time.Duration(i) * 137 * time.Microsecond)
		}
	}
	onOne(t, func(t *testing.T, s site) {
		for i, limit := range limits {
			l := newLimiter(t, s.open(t), limit)
			for n := range 20 {
				identity := fmt.Sprint(i, "-", n)
				before := time.Now()
				res := allow(t, l, identity, 1)
				key := ratelimit.KeyOf(l, identity)
				ttl := s.nodes[0].MustDo(t, "PTTL", key).(int64)
				late := time.Since(before)
				least := res.ResetAfter - late
				if ttl == -2 {
					require.LessOrEqual(t, least, time.Duration(0), "%#v: expired early", limit)
					continue
				}
				require.GreaterOrEqual(t, time.Duration(ttl+1)*time.Millisecond, least, "%#v: PTTL", limit)
				require.LessOrEqual(t, time.Duration(ttl)*time.Millisecond, res.ResetAfter+3*time.Millisecond, "%#v: PTTL", limit)
			}
		}
	})
}

// Compare-and-swap by the client gives up under contention, which turns into a 500.
func TestPeer05ContentionIsNoError(t *testing.T) {
	onRedis(t, func(t *testing.T, s site) {
		for kind, limit := range kinds {
			l := newLimiter(t, s.open(t), limit(1000, month))
			var allowed atomic.Int64
			var wait sync.WaitGroup
			for range 64 {
				wait.Go(func() {
					for range 25 {
						r, err := l.Allow(context.Background(), "hot")
						if err != nil || r.Degraded {
							t.Errorf("%s: error %v, degraded %v", kind, err, r.Degraded)
						}
						if r.Allowed {
							allowed.Add(1)
						}
					}
				})
			}
			wait.Wait()
			require.Equal(t, int64(1000), allowed.Load(), kind)
		}
	})
}

// A request for more than the limit can ever give is told to "retry in 100 ms", for ever.
func TestPeer06MoreThanTheLimitIsNever(t *testing.T) {
	onOne(t, func(t *testing.T, s site) {
		for kind, limit := range kinds {
			l := newLimiter(t, s.open(t), limit(10, month))
			for _, n := range []int64{11, 1000, math.MaxInt32, 1 << 53, math.MaxInt64} {
				r := allow(t, l, "x", n)
				require.False(t, r.Allowed, kind)
				require.Equal(t, algorithm.Never, r.RetryAfter, kind)
				require.Equal(t, int64(10), r.Remaining, kind)
			}
			require.Zero(t, s.nodes[0].MustDo(t, "EXISTS", ratelimit.KeyOf(l, "x")), "%s: nothing is written", kind)
			require.Equal(t, int64(9), allow(t, l, "x", 1).Remaining)
			require.Equal(t, algorithm.Never, allow(t, l, "x", 11).RetryAfter)
			require.Equal(t, int64(9), allow(t, l, "x", 0).Remaining)
		}
	})
}

// Large limits overflow.
func TestPeer07NoOverflow(t *testing.T) {
	onOne(t, func(t *testing.T, s site) {
		for _, limit := range []algorithm.Algorithm{
			tokenbucket.Limit{Rate: 200_000, Period: 24 * time.Hour},
			tokenbucket.Limit{Rate: 1e9, Period: time.Second},
			tokenbucket.Limit{Rate: 1, Period: 365 * 24 * time.Hour},
			tokenbucket.Limit{Rate: 999_983, Period: 366*24*time.Hour - time.Microsecond},
			slidingwindow.Limit{Rate: 200_000, Period: 24 * time.Hour},
			slidingwindow.Limit{Rate: 94_906_265, Period: time.Second},
			slidingwindow.Limit{Rate: 1, Period: 365 * 24 * time.Hour},
			slidingwindow.Limit{Rate: 999_983, Period: 366*24*time.Hour - time.Microsecond},
			slidingwindow.Log{Rate: 200_000, Period: 24 * time.Hour},
			slidingwindow.Log{Rate: 1, Period: 365 * 24 * time.Hour},
		} {
			l := newLimiter(t, s.open(t), limit, ratelimit.WithNamespace(fmt.Sprintf("%T %v", limit, limit)[len("slidingwindow."):]+"x"))
			full := allow(t, l, "x", 0).Limit
			require.Positive(t, full)
			require.Equal(t, algorithm.Never, allow(t, l, "x", math.MaxInt64).RetryAfter, "%#v", limit)
			require.True(t, allow(t, l, "x", full).Allowed, "%#v", limit)
			r := allow(t, l, "x", full)
			if r.Allowed { // so much comes back between two calls
				require.Equal(t, int64(1e9), full)
				continue
			}
			require.Positive(t, r.RetryAfter, "%#v", limit)
			require.Less(t, r.RetryAfter, 732*24*time.Hour, "%#v", limit)
			require.Less(t, r.ResetAfter, 732*24*time.Hour, "%#v", limit)
		}
	})
}

// If denied calls are charged, a client at twice the rate gets nothing at all.
func TestPeer08DenialsAreFree(t *testing.T) {
	for kind, limit := range kinds {
		r := start(t)
		l := newLimiter(t, r, limit(100, time.Second))
		for allow(t, l, "x", 1).Allowed {
		}
		var allowed int
		const seconds = 5
		for i := range (1 + seconds) * 200 { // twice the rate
			r.Advance(5 * time.Millisecond)
			if allow(t, l, "x", 1).Allowed && i >= 200 { // the first second pays the burst
				allowed++
			}
		}
		// The window counter gives whole units only, so the last unit of a window may come too
		// late to be taken in it.
		require.InDelta(t, 100*seconds, allowed, seconds+1, kind)
	}
	onOne(t, func(t *testing.T, s site) {
		for kind, limit := range kinds {
			l := newLimiter(t, s.open(t), limit(5, month))
			for range 5 {
				require.True(t, allow(t, l, "x", 1).Allowed)
			}
			key := ratelimit.KeyOf(l, "x")
			before := s.nodes[0].MustDo(t, "GET", key)
			for _, n := range []int64{1, 0, 3, 6} {
				require.False(t, allow(t, l, "x", n).Allowed)
			}
			require.Equal(t, before, s.nodes[0].MustDo(t, "GET", key), "%s: bytes of the state", kind)
		}
	})
}

// After a limit was raised, an identity that had used up the old one stays denied for an hour.
func TestPeer09RaisedLimitHelpsAtOnce(t *testing.T) {
	onOne(t, func(t *testing.T, s site) {
		for kind, limit := range kinds {
			low, high := newLimiter(t, s.open(t), limit(10, month)), newLimiter(t, s.open(t), limit(1000, month))
			require.True(t, allow(t, low, "x", 10).Allowed)
			require.False(t, allow(t, low, "x", 1).Allowed)
			r := allow(t, high, "x", 1)
			require.True(t, r.Allowed, "%s: raised", kind)
			require.Equal(t, int64(989), r.Remaining, "%s: what was taken still counts", kind)

			require.True(t, allow(t, high, "x", 500).Allowed)
			r = allow(t, low, "x", 1)
			require.False(t, r.Allowed, "%s: lowered", kind)
			require.Zero(t, r.Remaining, "%s: lowered", kind)
		}
	})
}

// If the refill rate alone changes, a raised one must count from now on, and a lowered one
// must give nothing.
func TestPeer09RateAloneChanges(t *testing.T) {
	r := start(t)
	slow := newLimiter(t, r, tokenbucket.Limit{Rate: 10, Period: time.Hour, Burst: 10})
	fast := newLimiter(t, r, tokenbucket.Limit{Rate: 1000, Period: time.Hour, Burst: 10})
	require.True(t, allow(t, slow, "x", 10).Allowed)
	require.Equal(t, 6*time.Minute, allow(t, slow, "x", 1).RetryAfter)
	require.Equal(t, 3600*time.Millisecond, allow(t, fast, "x", 1).RetryAfter)
	r.Advance(3600 * time.Millisecond)
	require.True(t, allow(t, fast, "x", 1).Allowed)
	res := allow(t, slow, "x", 1)
	require.False(t, res.Allowed, "lowered again")
	require.Equal(t, 6*time.Minute, res.RetryAfter)
}

// A key that lost its time to live, or was written by a clock that was wrong, locks an
// identity out for good.
func TestPeer10NothingLocksOutForGood(t *testing.T) {
	for kind, limit := range kinds {
		r := start(t)
		l := newLimiter(t, r, limit(10, time.Second))
		right := r.Now()
		r.SetTime(right.AddDate(70, 0, 0)) // a clock that is wrong
		require.True(t, allow(t, l, "x", 10).Allowed)
		r.SetTime(right)
		res := allow(t, l, "x", 1)
		require.False(t, res.Allowed, "%s: a clock that steps back gives nothing back", kind)
		require.LessOrEqual(t, res.RetryAfter, 2*time.Second, kind)
		r.Advance(res.RetryAfter)
		require.True(t, allow(t, l, "x", 1).Allowed, kind)
	}
	onOne(t, func(t *testing.T, s site) {
		for kind, limit := range kinds {
			l := newLimiter(t, s.open(t), limit(1000, time.Millisecond))
			key := ratelimit.KeyOf(l, "x")
			for _, state := range []string{
				"10004102444800000000", "410244480010000000", "4102444800000000:1000:0", strings.Repeat("\x0e\x93\x1d\xc8\x2c\x40\x00", 1000),
				"garbage", "", strings.Repeat("9", 1000), strings.Repeat("\xff", 7000), "-1", "nan",
			} {
				s.nodes[0].MustDo(t, "SET", key, state) // without a time to live
				require.Eventually(t, func() bool { return allow(t, l, "x", 1000).Allowed }, time.Second, time.Millisecond, "%s: %.30q", kind, state)
			}
			s.nodes[0].MustDo(t, "DEL", key)
			s.nodes[0].MustDo(t, "RPUSH", key, "another", "type")
			require.True(t, allow(t, l, "x", 1).Allowed, "%s: a list", kind)
		}
	})
}

// After SCRIPT FLUSH, a restart or a failover, the caller gets an error: NOSCRIPT.
func TestPeer11NoScriptIsNoError(t *testing.T) {
	onRedis(t, func(t *testing.T, s site) {
		l := newLimiter(t, s.open(t), tokenbucket.Limit{Rate: 1000, Period: month})
		for range 20 {
			for _, node := range s.nodes {
				node.MustDo(t, "SCRIPT", "FLUSH")
			}
			allow(t, l, "x", 1)
		}
		require.Equal(t, int64(980), allow(t, l, "x", 0).Remaining, "each was charged once")
	})
}

// A constructor that dials keeps a service from starting while Redis is down.
func TestPeer12NewWhileRedisIsDown(t *testing.T) {
	for _, driver := range []string{"goredis", "rueidis"} {
		for _, cluster := range []bool{false, true} {
			o, err := dial(driver, "redis://127.0.0.1:1", cluster)
			require.NoError(t, err)
			l, err := ratelimit.New(o, tokenbucket.Limit{Rate: 1, Period: time.Second})
			require.NoError(t, err)
			r, err := l.Allow(context.Background(), "x")
			require.NoError(t, err)
			require.True(t, r.Allowed && r.Degraded)
			require.NoError(t, o.Close())
		}
	}
}

// Retry-After is the whole window, or is rounded down.
func TestPeer13RetryAfterIsExact(t *testing.T) {
	r := start(t) // at the beginning of a minute
	bucket := newLimiter(t, r, tokenbucket.Limit{Rate: 7, Period: time.Minute})
	require.True(t, allow(t, bucket, "x", 7).Allowed)
	require.Equal(t, 8_571_429*time.Microsecond, allow(t, bucket, "x", 1).RetryAfter, "60/7 s, rounded up to the µs")

	window := newLimiter(t, r, slidingwindow.Limit{Rate: 10, Period: time.Minute})
	require.True(t, allow(t, window, "x", 10).Allowed)
	r.Advance(45 * time.Second)
	require.Equal(t, 21*time.Second, allow(t, window, "x", 1).RetryAfter, "a tenth into the next window")

	log := newLimiter(t, r, slidingwindow.Log{Rate: 10, Period: time.Minute})
	require.True(t, allow(t, log, "x", 9).Allowed)
	r.Advance(7*time.Second + time.Microsecond)
	require.True(t, allow(t, log, "x", 1).Allowed)
	require.Equal(t, 53*time.Second-time.Microsecond, allow(t, log, "x", 1).RetryAfter)
	require.Equal(t, time.Minute, allow(t, log, "x", 10).RetryAfter)
}
