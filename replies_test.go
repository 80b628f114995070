package ratelimit_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// parrot is a store that always gives the same reply.
type parrot []int64

func (p parrot) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	return p, nil
}

// TestReplies checks that a reply that the script cannot give decides nothing.
func TestReplies(t *testing.T) {
	for name, options := range map[string][]ratelimit.Option{"Batching": nil, "Alone": {ratelimit.WithoutBatching()}} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				reply parrot
				class ratelimit.ErrorClass
			}{
				{parrot{1, 0, 0, 0}, ""},
				{nil, ratelimit.ClassReply},
				{parrot{}, ratelimit.ClassReply},
				{parrot{1, 0, 0}, ratelimit.ClassReply},
				{parrot{1, 0, 0, 0, 0}, ratelimit.ClassReply},
				{parrot{1, 0, 0, 0, 0, 0, 0}, ratelimit.ClassReply},
				{parrot{-1, 0, 0, 0}, ratelimit.ClassReply},
				{parrot{1<<53 + 1, 0, 0, 0}, ratelimit.ClassReply},
				{parrot{1, -4, 0, 0}, ratelimit.ClassReply},
				{parrot{1, 0, fast.Rate + 1, 0}, ratelimit.ClassReply},
				{parrot{1, 0, 0, -1}, ratelimit.ClassReply},
			} {
				var w witness
				require.Equal(t, c.class, w.class(t, w.limiter(t, c.reply, options...), "x"), fmt.Sprint(c.reply))
			}
		})
	}
}
