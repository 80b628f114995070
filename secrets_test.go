package ratelimit_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver/drivertest"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/observe"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// The secrets that these tests must not find in anything that is printed.
const (
	urlPassword      = "hunter2-of-the-url"
	sentinelPassword = "hunter3-of-sentinels"
	identityKey      = "hunter4-of-identities"
	person           = "hunter5@example.com"
)

// printed returns v printed in every way that programs commonly use.
func printed(v any) string {
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	fmt.Fprintln(&out, v)
	if text, err := json.Marshal(v); err == nil {
		out.Write(text)
	} else {
		fmt.Fprintln(&out, err)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("it", "v", v, "group", slog.GroupValue(slog.Any("v", v)))
	}
	if err, ok := v.(error); ok { // the errors that it wraps, too
		for _, inner := range drivertest.Causes(err) {
			out.WriteString(printed(inner))
		}
	}
	return out.String()
}

// hidesSecrets fails the test if text has a secret, as it is or in a common encoding.
func hidesSecrets(t testing.TB, text string) {
	t.Helper()
	text = strings.ToLower(text)
	for _, secret := range []string{urlPassword, sentinelPassword, identityKey, person} {
		for _, form := range []string{
			secret,
			secret[:12], // a piece will do
			hex.EncodeToString([]byte(secret)),
			base64.StdEncoding.EncodeToString([]byte(secret)),
			strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
		} {
			require.NotContains(t, text, strings.ToLower(form))
		}
	}
}

// around returns v, and v in the places where programs have such values: behind a pointer, in
// fields that fmt may look into but whose methods it may not call, in a slice, in a map.
func around[T any](v T) []any {
	type shown struct{ V T }
	type hidden struct{ v T }
	type pointer struct{ v *T }
	type embedded struct{ hidden }
	return []any{v, &v, shown{v}, &shown{v}, hidden{v}, &hidden{v}, pointer{&v}, embedded{hidden{v}}, []T{v}, []any{v}, []any{hidden{v}}, map[string]T{"v": v}, map[string]any{"v": &v}}
}

// TestSecretsOfStores checks the stores that Open makes, limiters on them, and the options of
// both.
func TestSecretsOfStores(t *testing.T) {
	var values []any
	for _, url := range []string{
		"redis://:" + urlPassword + "@127.0.0.1:1", "redis://user:" + urlPassword + "@127.0.0.1:1/2",
		"rediss://user:" + urlPassword + "@127.0.0.1:1", "unix://user:" + urlPassword + "@/nowhere.sock",
	} {
		g, err := goredis.Open(url)
		require.NoError(t, err)
		r, err := rueidis.Open(url)
		require.NoError(t, err)
		defer func() { _, _ = g.Close(), r.Close() }()
		values = append(values, around(g)...)
		values = append(values, around(r)...)
		values = append(values, around(*g)...)
		values = append(values, around(*r)...)
		for _, limiter := range []*ratelimit.Limiter{
			newLimiter(t, g, kinds["TokenBucket"](1, time.Second), ratelimit.WithIdentityKey([]byte(identityKey))),
			newLimiter(t, r, kinds["SlidingLog"](1, time.Second), ratelimit.WithIdentityKey([]byte(identityKey)), ratelimit.WithoutBatching()),
		} {
			// A call has the limiter make its hasher, which has the key.
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			_, _ = limiter.Allow(ctx, person)
			cancel()
			values = append(values, around(limiter)...)
			values = append(values, around(*limiter)...)
			values = append(values, struct{ *ratelimit.Limiter }{limiter}, struct{ ratelimit.Limiter }{*limiter},
				struct{ observe.Hooks }{}, ratelimit.WithObserver(observe.Slog(nil)))
		}
	}
	config := &tls.Config{ServerName: urlPassword, MinVersion: tls.VersionTLS12}
	values = append(values, around(ratelimit.WithIdentityKey([]byte(identityKey)))...)
	values = append(values, around(goredis.WithSentinelAuth("user", sentinelPassword))...)
	values = append(values, around(rueidis.WithSentinelAuth("user", sentinelPassword))...)
	values = append(values, around(goredis.WithTLSConfig(config))...)
	values = append(values, around(rueidis.WithTLSConfig(config))...)
	for _, v := range values {
		hidesSecrets(t, printed(v)+fmt.Sprintf("%p", v)) // for %p fmt calls no method
	}
}

// holder is a store and an observer that has a secret of its own.
type holder struct{ secret string }

func (holder) Observe(context.Context, ratelimit.Event) {}

func (holder) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	return nil, store.ErrReply
}

// TestSecretsOfOthers checks that printing a limiter, or a value that has one in an exported
// field, shows nothing of what its store and observers hold.
func TestSecretsOfOthers(t *testing.T) {
	l := newLimiter(t, holder{urlPassword}, tokenbucket.Limit{Rate: 1, Period: time.Second}, ratelimit.WithObserver(holder{sentinelPassword}))
	type service struct{ Limiter ratelimit.Limiter }
	type embeds struct{ ratelimit.Limiter }
	type borrows struct{ limiter *ratelimit.Limiter }
	for _, v := range []any{l, *l, service{*l}, &service{*l}, embeds{*l}, []ratelimit.Limiter{*l}, map[string]*ratelimit.Limiter{"l": l}} {
		hidesSecrets(t, printed(v))
	}
	// Not with %s: where a verb does not suit a pointer, fmt prints what is behind it.
	hidesSecrets(t, fmt.Sprintf("%v %+v %#v", borrows{l}, borrows{l}, borrows{l}))
	require.Equal(t, "ratelimit.Limiter(ratelimit:token_bucket)", fmt.Sprintf("%#v", l))
	require.Equal(t, "{ratelimit.Limiter(ratelimit:token_bucket)}", fmt.Sprint(service{*l}))
	require.Equal(t, "ratelimit.Limiter() <nil>", fmt.Sprint(ratelimit.Limiter{}, (*ratelimit.Limiter)(nil)))
}

// TestSecretsOfTop checks that a Top does not reveal its identity key.
func TestSecretsOfTop(t *testing.T) {
	top, err := observe.NewTop(observe.TopIdentityKey([]byte(identityKey)))
	require.NoError(t, err)
	_, err = newLimiter(t, start(t), tokenbucket.Limit{Rate: 1, Period: time.Second}, ratelimit.WithObserver(top)).AllowN(t.Context(), person, 2)
	require.NoError(t, err)
	require.Len(t, top.Top(1), 1)
	for _, v := range append(around(top), around(observe.TopIdentityKey([]byte(identityKey)))...) {
		hidesSecrets(t, printed(v)+fmt.Sprintf("%p", v))
	}
}

// TestSecretsOfEvents checks that nothing but Reveal tells the identity of an event.
func TestSecretsOfEvents(t *testing.T) {
	event := ratelimit.Event{Namespace: "n", Algorithm: "a", Identity: ratelimit.NewIdentity(person), N: 1, Err: errors.New("x"), Class: ratelimit.ClassTimeout}
	require.Equal(t, person, event.Identity.Reveal())
	for _, v := range append(around(event), around(event.Identity)...) {
		hidesSecrets(t, printed(v))
	}
	hidesSecrets(t, printed(map[ratelimit.Identity]int{event.Identity: 1}))
}

// TestSecretsOfRefusedCalls checks the errors of New, and of calls that make no sense or whose
// context has ended.
func TestSecretsOfRefusedCalls(t *testing.T) {
	l := newLimiter(t, start(t), tokenbucket.Limit{Rate: 1, Period: time.Second})
	_, err := ratelimit.New(noStore{}, tokenbucket.Limit{Rate: 1, Period: time.Second}, ratelimit.WithIdentityKey([]byte(identityKey[:15])))
	require.Error(t, err)
	require.NotContains(t, printed(err), identityKey[:8])
	_, err = l.AllowN(context.Background(), person, -1)
	require.ErrorIs(t, err, ratelimit.ErrN)
	hidesSecrets(t, printed(err))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = l.Allow(ctx, person)
	require.ErrorIs(t, err, context.Canceled)
	hidesSecrets(t, printed(err))
	err = l.Reset(ctx, person)
	require.ErrorIs(t, err, context.Canceled)
	hidesSecrets(t, printed(err))
}

// TestSecretsOfBadURLs checks the errors of Open: what it refuses may be a password that was
// not encoded.
func TestSecretsOfBadURLs(t *testing.T) {
	for _, url := range []string{
		urlPassword, "redis://" + urlPassword + "@host", "redis://user:" + urlPassword, "redis://:" + urlPassword + "@",
		"redis://:a/" + urlPassword + "@host", "redis://:" + urlPassword + "%zz@host", "redis://:" + urlPassword + "#@host",
		"redis://:" + urlPassword + "@host:port", "redis://:" + urlPassword + "@host/db", "redis://:" + urlPassword + "@host?no=1",
		"redis://host/" + urlPassword, "redis://host?addr=:" + urlPassword, "http://:" + urlPassword + "@host",
		"unix://:" + urlPassword + "@", "redis://:" + urlPassword + "@a?addr=b",
	} {
		_, err := goredis.Open(url)
		require.Error(t, err, url)
		hidesSecrets(t, printed(err))
		_, err = rueidis.Open(url)
		require.Error(t, err, url)
		hidesSecrets(t, printed(err))
	}
}

// TestSecretsOfFailures checks the errors of Reset, and those that observers and logs are
// told, whatever keeps Redis from deciding and whatever it replies.
func TestSecretsOfFailures(t *testing.T) {
	redistest.Needs(t, 6, 0) // for HELLO
	needs := redistest.Start(t, "--requirepass", "another")
	has := redistest.Start(t)
	// A Redis that does not know HELLO, or AUTH, or AUTH with two words, takes them for
	// unknown commands, and quotes the words that follow.
	older := redistest.Start(t, "--rename-command", "HELLO", "", "--rename-command", "AUTH", "")
	noHello := redistest.Start(t, "--rename-command", "HELLO", "")
	noScripts := redistest.Start(t, "--rename-command", "EVALSHA", "")
	gone := redistest.Start(t)
	gone.Kill()
	for name, addr := range map[string]string{
		"WrongPassword": needs.Addr(), "NoSuchUser": has.Addr(), "NoAuth": older.Addr(), "NoHello": noHello.Addr(), "NoScripts": noScripts.Addr(),
		"Refused":         gone.Addr(),
		"Echo":            converse(t, func(words string) string { return words }),
		"QuotesAll":       converse(t, func(words string) string { return "-ERR what is " + flatten(words) + "\r\n" }),
		"QuotesWrongpass": converse(t, func(words string) string { return "-WRONGPASS " + flatten(words) + "\r\n" }),
		"QuotesNoCode":    converse(t, func(words string) string { return "-" + flatten(words) + "\r\n" }),
		"QuotesStatus":    converse(t, func(words string) string { return "+" + flatten(words) + "\r\n" }),
		"QuotesNonsense":  converse(t, func(words string) string { return flatten(words) + "\r\n" }),
		"QuotesInArray":   converse(t, func(words string) string { return "*1\r\n+" + flatten(words) + "\r\n" }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, user := range []string{"", "user"} {
				if user == "" && (name == "NoSuchUser" || name == "NoHello" || name == "NoScripts") {
					continue // that would work
				}
				url := "redis://" + user + ":" + urlPassword + "@" + addr
				for _, driver := range []string{"goredis", "rueidis"} {
					for _, kind := range []string{"one", "cluster", "sentinel"} {
						tellsNoSecret(t, driver, kind, url)
					}
				}
			}
		})
	}
	t.Run("NoPassword", func(t *testing.T) {
		for _, driver := range []string{"goredis", "rueidis"} {
			tellsNoSecret(t, driver, "one", needs.URL())
		}
	})
}

// tellsNoSecret has a limiter fail on the server at url, and looks for secrets in what it
// tells.
func tellsNoSecret(t *testing.T, driver, kind, url string) {
	t.Helper()
	var s opener
	var err error
	switch {
	case kind != "sentinel":
		s, err = dial(driver, url, kind == "cluster")
	case driver == "goredis":
		s, err = goredis.Open(url, goredis.WithSentinel("main"), goredis.WithSentinelAuth("user", sentinelPassword))
	default:
		s, err = rueidis.Open(url, rueidis.WithSentinel("main"), rueidis.WithSentinelAuth("user", sentinelPassword))
	}
	require.NoError(t, err)
	defer func() { _ = s.Close() }()
	var log bytes.Buffer
	var seen events
	l, err := ratelimit.New(s, tokenbucket.Limit{Rate: 1, Period: time.Minute}, ratelimit.WithTimeout(time.Second),
		ratelimit.WithIdentityKey([]byte(identityKey)), ratelimit.WithObserver(&seen),
		ratelimit.WithObserver(observe.Slog(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))))
	require.NoError(t, err)
	for range 2 {
		r, err := l.Allow(context.Background(), person)
		require.NoError(t, err)
		require.True(t, r.Degraded, "%s %s", driver, kind)
	}
	err = l.Reset(context.Background(), person)
	require.Error(t, err)
	told := seen.take()
	require.Len(t, told, 2)
	for _, e := range told {
		hidesSecrets(t, printed(e)+printed(e.Err))
		require.NotEmpty(t, e.Class)
	}
	hidesSecrets(t, printed(err)+log.String())
	t.Logf("%s %s: %s: %v", driver, kind, told[0].Class, told[0].Err)
}

// converse starts a server that answers whatever it reads with what say returns for it. It
// returns the server's address.
func converse(t *testing.T, say func(words string) string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				words := make([]byte, 1<<16)
				for {
					n, err := conn.Read(words)
					if err != nil {
						return
					}
					if _, err := io.WriteString(conn, say(string(words[:n]))); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// flatten puts words on one line.
func flatten(words string) string { return strings.Join(strings.Fields(words), " ") }
