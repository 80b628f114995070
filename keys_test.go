package ratelimit_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

// TestKeysOnAServer makes every kind of call, and looks at what is then in Redis and at all
// that was sent. All keys must have one form and a time to live, and no identity may appear.
func TestKeysOnAServer(t *testing.T) {
	onRedis(t, func(t *testing.T, s site) {
		var monitors []*redistest.Monitor
		for _, node := range s.nodes {
			monitors = append(monitors, node.Monitor(t))
		}
		const mail = "alice@example.com"
		identities := []string{mail, "user:12345", "203.0.113.7", "}x", "é", strings.Repeat("long", 1000)}
		secret := []byte("a secret of thirty-two bytes ...")
		for kind, limit := range kinds {
			for _, options := range [][]ratelimit.Option{nil, {ratelimit.WithNamespace("my app")}, {ratelimit.WithNamespace("hmac"), ratelimit.WithIdentityKey(secret)}} {
				l := newLimiter(t, s.open(t), limit(2, month), options...)
				for _, identity := range identities {
					for range 3 {
						allow(t, l, identity, 1)
					}
					allow(t, l, identity, 0)
					allow(t, l, identity, 100)
				}
				require.NoError(t, l.Reset(context.Background(), identities[1]), kind)
			}
		}
		form := regexp.MustCompile(`^(ratelimit|my app|hmac):(token_bucket|sliding_window|sliding_log):[0-9a-f]{64}$`)
		var count int
		for _, node := range s.nodes {
			for _, key := range node.MustDo(t, "KEYS", "*").([]any) {
				count++
				require.Regexp(t, form, key)
				require.Positive(t, node.MustDo(t, "PTTL", key.(string)), "%s has no time to live", key)
			}
		}
		require.Equal(t, len(kinds)*3*(len(identities)-1), count)

		var lines int
		for _, monitor := range monitors {
			for _, line := range monitor.Stop() {
				lines++
				for _, identity := range identities {
					if len(identity) > 3 {
						require.NotContains(t, line, identity)
					}
				}
				require.NotContains(t, line, "alice")
				require.NotContains(t, line, string(secret))
				require.NotContains(t, line, hex.EncodeToString(secret))
			}
		}
		require.Greater(t, lines, 100, "MONITOR saw what was sent")
	})
}

func TestKeyFormat(t *testing.T) {
	r := start(t)
	bucket := tokenbucket.Limit{Rate: 1, Period: time.Second}
	sum := sha256.Sum256([]byte("user:1"))
	require.Equal(t, "ratelimit:token_bucket:"+hex.EncodeToString(sum[:]), ratelimit.KeyOf(newLimiter(t, r, bucket), "user:1"))

	secret := []byte("0123456789abcdef")
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("user:1"))
	l := newLimiter(t, r, bucket, ratelimit.WithNamespace("{n}"), ratelimit.WithIdentityKey(secret))
	for range 2 {
		require.Equal(t, "{n}:token_bucket:"+hex.EncodeToString(mac.Sum(nil)), ratelimit.KeyOf(l, "user:1"))
	}
	secret[0] = 'x' // the limiter has a copy
	require.Equal(t, "{n}:token_bucket:"+hex.EncodeToString(mac.Sum(nil)), ratelimit.KeyOf(l, "user:1"))
}

// FuzzKeys checks that different namespaces, algorithms or identities never share a key, and
// that a key shows nothing of the identity.
func FuzzKeys(f *testing.F) {
	f.Add("a", "b", "n", "n")
	f.Add("", "\x00", "n", "m")
	f.Add("}x", "{}x", "{n}", "n")
	f.Add("\xff", "\ufffd", "n:token_bucket", "n")
	f.Add("a", "a", "n:sliding_window:", "n")
	algorithms := []algorithm.Algorithm{tokenbucket.Limit{Rate: 1, Period: time.Second}, slidingwindow.Limit{Rate: 1, Period: time.Second}}
	f.Fuzz(func(t *testing.T, a, b, nsA, nsB string) {
		type place struct{ namespace, identity, algorithm string }
		keys := map[string]place{}
		for _, namespace := range []string{nsA, nsB} {
			for i, algorithm := range algorithms {
				l, err := ratelimit.New(noStore{}, algorithm, ratelimit.WithNamespace(namespace))
				if err != nil {
					continue // not a valid namespace
				}
				for _, identity := range []string{a, b} {
					key, of := ratelimit.KeyOf(l, identity), place{namespace, identity, fmt.Sprint(i)}
					require.Regexp(t, `:(token_bucket|sliding_window):[0-9a-f]{64}$`, key)
					require.True(t, strings.HasPrefix(key, namespace+":"))
					if other, ok := keys[key]; ok {
						require.Equal(t, other, of, "both have the key %q", key)
					}
					keys[key] = of
				}
			}
		}
	})
}

// TestNothingPrintsSecrets checks that neither an identity nor a secret is printed, whatever
// the verb.
func TestNothingPrintsSecrets(t *testing.T) {
	secret := []byte("supersecretsupersecret")
	var last ratelimit.Event
	l := newLimiter(t, start(t), tokenbucket.Limit{Rate: 1, Period: time.Second},
		ratelimit.WithIdentityKey(secret), ratelimit.WithObserver(observerFunc(func(e ratelimit.Event) { last = e })))
	allow(t, l, "alice@example.com", 1)
	require.Equal(t, "alice@example.com", last.Identity.Reveal())
	require.Empty(t, ratelimit.Identity{}.Reveal())

	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("event", "event", last, "identity", last.Identity, "limiter", l)
	slog.New(slog.NewTextHandler(&log, nil)).Info("event", "event", last, "hidden", struct{ e ratelimit.Event }{last}, "identity", last.Identity, "limiter", l)
	text, err := json.Marshal(last)
	require.NoError(t, err)
	asKey, err := json.Marshal(map[ratelimit.Identity]int{last.Identity: 1})
	require.NoError(t, err)
	printed := log.String() + string(text) + string(asKey)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		hidden := struct{ event ratelimit.Event }{last}                                                                                                                // fmt calls no methods of unexported fields
		for _, v := range []any{hidden, &hidden, map[ratelimit.Identity]int{last.Identity: 1}, last, &last, last.Identity, l, *l, ratelimit.WithIdentityKey(secret)} { //nolint:govet // the copy is only printed
			printed += fmt.Sprintf(verb, v)
		}
	}
	for _, s := range []string{"alice@example.com", string(secret)} {
		require.NotContains(t, printed, s)
		require.NotContains(t, printed, hex.EncodeToString([]byte(s)))
		require.NotContains(t, strings.ToLower(printed), hex.EncodeToString([]byte(s)))
		require.NotContains(t, printed, strings.Trim(fmt.Sprint([]byte(s)), "[]"))
	}
}
