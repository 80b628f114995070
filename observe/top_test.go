package observe_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"expvar"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/observe"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var _ expvar.Var = (*observe.Top)(nil)

func newTop(t testing.TB, options ...observe.TopOption) *observe.Top {
	t.Helper()
	top, err := observe.NewTop(options...)
	require.NoError(t, err)
	return top
}

// deny tells top that identity was denied n times.
func deny(top *observe.Top, identity string, n int) {
	e := denied("shop")
	e.Identity = ratelimit.NewIdentity(identity)
	for range n {
		top.Observe(context.Background(), e)
	}
}

func shown(identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return hex.EncodeToString(sum[:16])
}

// TestTop checks which events of a limiter count.
func TestTop(t *testing.T) {
	top := newTop(t, nil)
	require.Empty(t, top.Top(10))
	require.Equal(t, "[]", top.String())

	loading := broken{&store.ServerError{Message: "LOADING loading"}}
	redis := startRedis(t)
	working := newLimiter(t, redis, ratelimit.WithObserver(top))
	login := newLimiter(t, redis, ratelimit.WithObserver(top), ratelimit.WithNamespace("login"))
	closed := newLimiter(t, loading, ratelimit.WithObserver(top), ratelimit.WithFailureMode(ratelimit.FailClosed))
	for _, n := range []int64{2, 1, 1, 3, 0} { // allowed, denied, denied, never, peeked
		_, err := working.AllowN(t.Context(), identity, n)
		require.NoError(t, err)
	}
	_, err := working.AllowN(t.Context(), "other", 5)
	require.NoError(t, err)
	_, err = login.AllowN(t.Context(), identity, 7)
	require.NoError(t, err)
	_, err = closed.AllowN(t.Context(), identity, 1) // by the failure mode
	require.NoError(t, err)
	_, err = working.Allow(ended(t), identity)
	require.Error(t, err)

	other := shown("other")
	require.Equal(t, []observe.TopLimiter{
		{Namespace: "login", Algorithm: "token_bucket", Denied: 1, Identities: []observe.TopIdentity{{Identity: hash[:32], Denied: 1}}},
		{Namespace: "shop", Algorithm: "token_bucket", Denied: 4, Identities: []observe.TopIdentity{
			{Identity: hash[:32], Denied: 3}, {Identity: other, Denied: 1},
		}},
	}, top.Top(10))
	require.JSONEq(t, `[
		{"namespace": "login", "algorithm": "token_bucket", "denied": 1, "identities": [{"identity": "`+hash[:32]+`", "denied": 1, "error": 0}]},
		{"namespace": "shop", "algorithm": "token_bucket", "denied": 4, "identities": [
			{"identity": "`+hash[:32]+`", "denied": 3, "error": 0}, {"identity": "`+other+`", "denied": 1, "error": 0}
		]}
	]`, top.String())
	require.NotContains(t, top.String(), "jane")
	require.Len(t, top.Top(1)[1].Identities, 1)
	require.Empty(t, top.Top(0)[1].Identities)
	require.Empty(t, top.Top(-1)[1].Identities)
}

// TestTopGuarantee checks that, for random streams, a count is never too low, and too high
// by no more than its error, and that each identity with more than its share is in the
// list.
func TestTopGuarantee(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.IntRange(1, 10).Draw(r, "size")
		top, err := observe.NewTop(observe.TopSize(size), observe.TopReveal())
		if err != nil {
			r.Fatal(err)
		}
		truth := map[string]int64{}
		stream := rapid.SliceOfN(rapid.SampledFrom(strings.Split("aaaabbbcdefghijklmnopqrstuvwxyz", "")), 1, 500).Draw(r, "stream")
		for _, identity := range stream {
			deny(top, identity, 1)
			truth[identity]++
		}
		all := top.Top(size)[0]
		if all.Denied != int64(len(stream)) {
			r.Fatalf("%d denied, of %d", all.Denied, len(stream))
		}
		for i, who := range all.Identities {
			n := truth[who.Identity]
			if n > who.Denied || n < who.Denied-who.Error || who.Error > all.Denied/int64(size) {
				r.Fatalf("%+v was denied %d times", who, n)
			}
			if i > 0 && all.Identities[i-1].Denied-all.Identities[i-1].Error < who.Denied-who.Error {
				r.Fatalf("%+v stands before %+v", all.Identities[i-1], who)
			}
			delete(truth, who.Identity)
		}
		for identity, n := range truth {
			if n*int64(size) > all.Denied {
				r.Fatalf("%s was denied %d of %d times and is not in %+v", identity, n, all.Denied, all.Identities)
			}
		}
	})
}

// An attacker cannot hide among 200,000 identities that it makes up.
func TestTopFindsOneAmongMany(t *testing.T) {
	top := newTop(t)
	for i := range 200_000 {
		deny(top, fmt.Sprint("made up ", i), 1)
		if i%100 == 0 {
			deny(top, identity, 1)
		}
	}
	first := top.Top(1)[0].Identities[0]
	require.Equal(t, hash[:32], first.Identity)
	require.LessOrEqual(t, first.Denied-first.Error, int64(2000))
	require.GreaterOrEqual(t, first.Denied, int64(2000))
	require.LessOrEqual(t, first.Error, int64(202_000/1000))
}

func TestTopHalfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		top, forever := newTop(t, observe.TopHalfLife(time.Hour)), newTop(t)
		deny(top, "yesterday", 1000)
		deny(forever, "yesterday", 1000)
		time.Sleep(time.Hour - time.Nanosecond)
		require.EqualValues(t, 1000, top.Top(1)[0].Denied)
		time.Sleep(time.Nanosecond)
		require.Equal(t, observe.TopIdentity{Identity: shown("yesterday"), Denied: 500}, top.Top(1)[0].Identities[0])
		time.Sleep(4 * time.Hour)
		deny(top, "today", 100)
		require.Equal(t, []observe.TopIdentity{
			{Identity: shown("today"), Denied: 100},
			{Identity: shown("yesterday"), Denied: 32, Error: 1}, // 31.25
		}, top.Top(2)[0].Identities)
		require.EqualValues(t, 131, top.Top(2)[0].Denied)
		time.Sleep(24 * time.Hour)
		deny(top, "today", 1)
		require.Equal(t, []observe.TopIdentity{{Identity: shown("today"), Denied: 2, Error: 1}}, top.Top(2)[0].Identities)
		time.Sleep(100 * 365 * 24 * time.Hour)
		require.Equal(t, []observe.TopLimiter{{Namespace: "shop", Algorithm: "token_bucket", Identities: []observe.TopIdentity{}}}, top.Top(2))
		require.EqualValues(t, 1000, forever.Top(1)[0].Denied)
	})
}

// TestTopShows checks how an identity is shown.
func TestTopShows(t *testing.T) {
	secret := []byte("sixteen bytes or more")
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(identity))
	given := slices.Clone(secret)
	keyed := observe.TopIdentityKey(given)
	clear(given) // the caller may wipe its key
	long := strings.Repeat("x", 10_000)
	for _, test := range []struct {
		name, identity, want string
		options              []observe.TopOption
	}{
		{name: "Hash", identity: identity, want: hash[:32]},
		{name: "HashOfLong", identity: long, want: shown(long)},
		{name: "Keyed", identity: identity, want: hex.EncodeToString(mac.Sum(nil)[:16]), options: []observe.TopOption{keyed}},
		{name: "Revealed", identity: identity, want: identity, options: []observe.TopOption{observe.TopReveal()}},
		{name: "RevealedLong", identity: long, want: long[:256], options: []observe.TopOption{observe.TopReveal()}},
		{name: "RevealedGarbage", identity: "<b>\xff\x00", want: "<b>\ufffd\x00", options: []observe.TopOption{observe.TopReveal()}},
		{name: "RevealedCutInARune", identity: strings.Repeat("é", 200) + "x", want: strings.Repeat("é", 128), options: []observe.TopOption{observe.TopReveal()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			top := newTop(t, test.options...)
			deny(top, test.identity, 1)
			require.Equal(t, test.want, top.Top(1)[0].Identities[0].Identity)
			var read []observe.TopLimiter
			require.NoError(t, json.Unmarshal([]byte(top.String()), &read))
			require.Equal(t, top.Top(1), read)
			require.NotContains(t, top.String(), "<b>")
		})
	}
}

func TestNewTopRefuses(t *testing.T) {
	for _, test := range []struct {
		option observe.TopOption
		err    string
	}{
		{observe.TopSize(0), "observe: top size is 0: must be from 1 to 100000"},
		{observe.TopSize(100_001), "observe: top size is 100001: must be from 1 to 100000"},
		{observe.TopHalfLife(0), "observe: top half-life is 0s: must be at least 1s"},
		{observe.TopHalfLife(-time.Hour), "observe: top half-life is -1h0m0s: must be at least 1s"},
		{observe.TopIdentityKey([]byte("short")), "observe: top identity key has 5 bytes: must have at least 16"},
	} {
		_, err := observe.NewTop(test.option)
		require.EqualError(t, err, test.err)
	}
	var unmade observe.Top
	deny(&unmade, identity, 1)
	require.Empty(t, unmade.Top(1))
}

func TestTopConcurrently(t *testing.T) {
	const workers, requests = 8, 2000
	top := newTop(t, observe.TopSize(10), observe.TopHalfLife(24*time.Hour))
	revealing := newTop(t, observe.TopSize(2), observe.TopReveal())
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range requests {
				deny(top, identity, 1)
				deny(top, fmt.Sprint(w, " ", i), 1)
				deny(revealing, fmt.Sprint(w, " ", i), 1)
				e := denied(fmt.Sprint("limiter ", i%50))
				top.Observe(context.Background(), e)
				if i%100 == 0 {
					_, _ = top.String(), revealing.String()
				}
			}
		})
	}
	group.Wait()
	all := top.Top(1)
	require.Len(t, all, 51)
	shop := all[len(all)-1]
	require.Equal(t, "shop", shop.Namespace)
	require.EqualValues(t, 2*workers*requests, shop.Denied)
	require.Equal(t, hash[:32], shop.Identities[0].Identity)
}

// Memory hardly grows between 10,000 identities and 100,000.
func TestTopMemory(t *testing.T) {
	for name, options := range map[string][]observe.TopOption{"Hashed": nil, "Revealed": {observe.TopReveal()}} {
		t.Run(name, func(t *testing.T) {
			top := newTop(t, options...)
			next := 0
			until := func(n int) uint64 {
				for ; next < n; next++ {
					deny(top, fmt.Sprintf("identity %09d", next), 1)
				}
				runtime.GC()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			empty := until(0)
			few := until(10_000)
			many := until(100_000)
			t.Logf("%d bytes after 10,000 identities, %d more after 100,000", few-empty, int64(many-few))
			require.Less(t, int64(few-empty), int64(1<<20))
			require.Less(t, int64(many-few), int64(50_000))
			runtime.KeepAlive(top)
		})
	}
}

func TestTopOfManyLimiters(t *testing.T) {
	top := newTop(t)
	for i := range 1500 {
		top.Observe(t.Context(), denied(fmt.Sprint("tenant ", i)))
	}
	all := top.Top(1)
	require.Len(t, all, 1001)
	require.Equal(t, "(others)", all[0].Namespace)
	require.EqualValues(t, 500, all[0].Denied)
}

// BenchmarkTop measures the cost of an event to a Top with 1,000 counters.
func BenchmarkTop(b *testing.B) {
	identities := make([]ratelimit.Identity, 1<<20)
	for i := range identities {
		identities[i] = ratelimit.NewIdentity(fmt.Sprintf("user:%d@example.com", i))
	}
	for _, bench := range []struct {
		name    string
		among   int
		allowed bool
		options []observe.TopOption
	}{
		{name: "Allowed", among: 1, allowed: true},
		{name: "One", among: 1},
		{name: "Known", among: 500},
		{name: "EachAnother", among: len(identities)},
		{name: "HalfLife", among: 500, options: []observe.TopOption{observe.TopHalfLife(time.Hour)}},
		{name: "Revealed", among: len(identities), options: []observe.TopOption{observe.TopReveal()}},
		{name: "Keyed", among: len(identities), options: []observe.TopOption{observe.TopIdentityKey(make([]byte, 32))}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			top := newTop(b, bench.options...)
			e, i := denied("shop"), 0
			e.Result.Allowed = bench.allowed
			b.ReportAllocs()
			for b.Loop() {
				i++
				e.Identity = identities[i%bench.among]
				top.Observe(b.Context(), e)
			}
		})
	}
	b.Run("Parallel", func(b *testing.B) {
		top := newTop(b)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			e, i := denied("shop"), 0
			for pb.Next() {
				i++
				e.Identity = identities[i%500]
				top.Observe(b.Context(), e)
			}
		})
	})
}
