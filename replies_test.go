package ratelimit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
)

// TestReplies checks that a reply that the script cannot give decides nothing.
func TestReplies(t *testing.T) {
	for name, options := range map[string][]ratelimit.Option{"Batching": nil, "Alone": {ratelimit.WithoutBatching()}} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				reply []int64
				class ratelimit.ErrorClass
			}{
				{[]int64{1, 0, 0, 0}, ""},
				{nil, ratelimit.ClassReply},
				{[]int64{}, ratelimit.ClassReply},
				{[]int64{1, 0, 0}, ratelimit.ClassReply},
				{[]int64{1, 0, 0, 0, 0}, ratelimit.ClassReply},
				{[]int64{1, 0, 0, 0, 0, 0, 0}, ratelimit.ClassReply},
				{[]int64{-1, 0, 0, 0}, ratelimit.ClassReply},
				{[]int64{1<<53 + 1, 0, 0, 0}, ratelimit.ClassReply},
				{[]int64{1, -4, 0, 0}, ratelimit.ClassReply},
				{[]int64{1, 0, fast.Rate + 1, 0}, ratelimit.ClassReply},
				{[]int64{1, 0, 0, -1}, ratelimit.ClassReply},
			} {
				var w witness
				l := w.limiter(t, funcStore(func() ([]int64, error) { return c.reply, nil }), options...)
				require.Equal(t, c.class, w.class(t, l, "x"), "%v", c.reply)
			}
		})
	}
}
