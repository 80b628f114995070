package conformance

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// badReplies are scripts whose replies are not flat arrays of integers.
var badReplies = []struct{ name, source string }{
	{"nil", "return false"},
	{"nothing", "local nothing = 1"},
	{"integer", "return 1"},
	{"status", "return redis.status_reply('OK')"},
	{"string", "return 'text'"},
	{"string of digits", "return '1'"},
	{"empty string", "return ''"},
	{"nested array", "return {{1}}"},
	{"nested empty array", "return {1, {}}"},
	{"deeper array", "return {1, {2, {3}}}"},
	{"array with nil", "return {1, false, 3}"},
	{"array with string", "return {1, 'text'}"},
	{"array with string of digits", "return {1, '2'}"},
	{"array with float as text", "return {1, '2.5'}"},
	{"array with status", "return {1, redis.status_reply('2')}"},
	{"array with double", "return {1, {double = 2.5}}"}, // a double in RESP3; otherwise text, or an array
	{"array of nil", "return {false}"},
}

func badReply(t testing.TB, h *subject) {
	s, keys := h.Open(t), []string{newKeyspace().key("k")}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	good := store.NewScript("good", "return {4, 5, 6}")
	for _, bad := range badReplies {
		reply, err := s.Run(ctx, unseen(bad.source), keys, nil)
		if !errors.Is(err, store.ErrReply) {
			differ(t, err, store.ErrReply, "error for the reply %q, of script %q (Run returned %v beside it)", bad.name, bad.source, reply)
		}
		if got := run(t, s, good, keys); !slices.Equal(got, []int64{4, 5, 6}) {
			differ(t, got, "[4 5 6]", "reply of the run after one whose reply was %q", bad.name)
		}
	}
	onceEach(ctx, t, s, "a reply that is no array of integers", "return 'text'")
}

// onceEach runs a script that counts its runs and then ends as source says, in an error or
// in a reply that no Store returns. Neither is a reason for a Store to run it again.
func onceEach(ctx context.Context, t testing.TB, s store.Store, what, source string) {
	t.Helper()
	script, key := unseen(incr.Source()[:strings.LastIndex(incr.Source(), "return")]+source), []string{newKeyspace().key("n")}
	for want := int64(1); want <= 3; want++ {
		_, _ = s.Run(ctx, script, key, nil)
		if got := run(t, s, count, key); got[0] != want {
			differ(t, got[0], want, "executions after %d runs of a script that ends in %s", want, what)
		}
	}
}

func serverError(t testing.TB, h *subject) {
	s, keys := h.Open(t), []string{newKeyspace().key("k")}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for message, prefix := range map[string]string{
		"MYCODE says a script": "MYCODE",
		"OOM command not allowed when used memory > 'maxmemory'.": "OOM",
		"NOPERM this user has no permissions":                     "NOPERM",
		"READONLY You can't write against a read only replica.":   "READONLY",
		"MYCODE 100%d of  %s at \"100%\"":                         "MYCODE",
	} {
		reply, err := s.Run(ctx, unseen("return redis.error_reply("+strconv.Quote(message)+")"), keys, nil)
		server := (*store.ServerError)(nil)
		if !errors.As(err, &server) {
			differ(t, err, "an error that wraps a *store.ServerError", "error for the reply %q (Run returned %v beside it)", "-"+message, reply)
		}
		if server.Prefix() != prefix {
			differ(t, server.Prefix(), prefix, "Prefix() of the error for the reply %q", "-"+message)
		}
		if server.Message != message {
			differ(t, server.Message, message, "Message of the error for the reply %q", "-"+message)
		}
		if errors.Is(err, store.ErrReply) {
			differ(t, "it does", "that it does not", "whether the error for the reply %q wraps ErrReply", "-"+message)
		}
	}
	for _, source := range []string{"return nosuchvariable", "this is not Lua", "error('raised')", "return redis.call('NOSUCHCOMMAND')"} {
		reply, err := s.Run(ctx, unseen(source), keys, nil)
		server := (*store.ServerError)(nil)
		if !errors.As(err, &server) {
			differ(t, err, "an error that wraps a *store.ServerError", "error of script %q (Run returned %v beside it)", source, reply)
		}
	}
	onceEach(ctx, t, s, "an error", "return redis.error_reply('MYCODE says a script')")
	onceEach(ctx, t, s, "an error that has NOSCRIPT in it, but does not begin with it", "return redis.error_reply('MYCODE is not NOSCRIPT')")
	if got := run(t, s, store.NewScript("fine", "return {1}"), keys); !slices.Equal(got, []int64{1}) {
		differ(t, got, "[1]", "reply of the run after those that failed")
	}
}
