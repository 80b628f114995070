package ratelimit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// odd are identities of the kinds that somebody would send who looks for a hole.
var odd = []string{"\x00", "\x00\x00", "{}", "}x{", "{a}{b}", "\xff\xfe", "\xed\xa0\x80", "a\nb", "a\r\nSET x y", " ", "*", "[a-z]", "ratelimit:token_bucket:", "../..", "%s%n", "\u202e", "';--"}

// heap returns how much of the heap is in use after a collection. There are several
// collections, because what was pooled is freed by the second one at the earliest.
func heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestHostileIdentities checks that however many identities come, and of whatever kind, the
// process keeps nothing of them, and Redis only keys of one length with a time to live.
func TestHostileIdentities(t *testing.T) {
	onOne(t, func(t *testing.T, s site) {
		store := s.open(t)
		var limiters []*ratelimit.Limiter
		for _, limit := range kinds {
			for _, option := range []ratelimit.Option{nil, ratelimit.WithoutBatching(), ratelimit.WithIdentityKey([]byte("sixteen bytes or more"))} {
				limiters = append(limiters, newLimiter(t, store, limit(10, time.Hour), option))
			}
		}
		huge := strings.Repeat("x", 1<<20)
		flood := func(round, callers, calls int) {
			var wait sync.WaitGroup
			for caller := range callers {
				wait.Go(func() {
					for i := range calls {
						identity := fmt.Sprint(round, "-", caller, "-", i)
						switch i % 10 {
						case 0:
							identity += huge
						case 1:
							identity += odd[caller%len(odd)]
						}
						r, err := limiters[i%len(limiters)].Allow(context.Background(), identity)
						if err != nil || r.Degraded || !r.Allowed {
							t.Errorf("%+v, %v", r, err)
						}
					}
				})
			}
			wait.Wait()
		}
		const callers, first = 32, 20
		calls := 150
		if redistest.Race { // which makes this take a minute
			calls = 40
		}
		flood(0, callers, first) // to make connections and buffers
		before := heap()
		flood(1, callers, calls)
		grown := heap() - before
		runtime.KeepAlive(huge)
		t.Logf("the heap grew by %d B, for %d identities", grown, callers*calls)
		require.Less(t, grown, int64(400_000), "less than half of one huge identity, and than 84 B for each")

		form := regexp.MustCompile(`^ratelimit:(token_bucket|sliding_window|sliding_log):[0-9a-f]{64}$`)
		keys := s.nodes[0].MustDo(t, "KEYS", "*").([]any)
		require.Len(t, keys, callers*(first+calls))
		for i, key := range keys {
			require.Regexp(t, form, key)
			if i%100 == 0 {
				require.Positive(t, s.nodes[0].MustDo(t, "PTTL", key.(string)))
			}
		}
	})
}

// TestHugeIdentityCostsNoMemory checks that a huge identity takes no memory, not even while it
// is hashed.
func TestHugeIdentityCostsNoMemory(t *testing.T) {
	huge := strings.Repeat("x", 1<<20)
	for _, option := range []ratelimit.Option{nil, ratelimit.WithIdentityKey([]byte("sixteen bytes or more"))} {
		l, err := ratelimit.New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Second}, option)
		require.NoError(t, err)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			_, err := l.Allow(context.Background(), huge)
			require.NoError(t, err)
		}
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<19), "B for 10 identities of 1 MiB")
	}
}

// TestLongIdentitiesDiffer checks that every byte of an identity counts, wherever hashing cuts
// it to pieces.
func TestLongIdentitiesDiffer(t *testing.T) {
	l, err := ratelimit.New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Second})
	require.NoError(t, err)
	seen := map[string]int{}
	for _, size := range []int{1, 63, 64, 511, 512, 513, 1023, 1024, 1025, 4096, 100_000} {
		text := bytes.Repeat([]byte("x"), size)
		for _, at := range []int{0, size / 2, size - 1} {
			text[at]++
			key := ratelimit.KeyOf(l, string(text))
			sum := sha256.Sum256(text)
			require.Equal(t, "ratelimit:token_bucket:"+hex.EncodeToString(sum[:]), key)
			require.NotContains(t, seen, key, "%d bytes, another one at %d", size, at)
			seen[key] = size
		}
	}
}
