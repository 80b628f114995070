package conformance

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

func argsUnchanged(t testing.TB, h *subject) {
	s, space := h.Open(t), newKeyspace()
	sum := "local x = 0 for i, v in ipairs(ARGV) do x = x + v end return {x, #KEYS}"
	// Run gets only the beginning of each slice. The rest must stay as it is, too.
	allKeys := []string{space.key("c"), space.key("a"), space.key("b"), "sentinel", "sentinel"}
	allArgs := []int64{9, 7, 8, -1, -1, -1}
	keysBefore, argsBefore := slices.Clone(allKeys), slices.Clone(allArgs)
	for _, script := range []*store.Script{unseen(sum), unseen("return 1"), unseen("error('no')")} {
		for range 2 {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			_, _ = s.Run(ctx, script, allKeys[:3], allArgs[:3])
			cancel()
			if !slices.Equal(allKeys, keysBefore) {
				differ(t, allKeys, keysBefore, "keys after Run, and two strings behind their end")
			}
			if !slices.Equal(allArgs, argsBefore) {
				differ(t, allArgs, argsBefore, "args after Run, and three integers behind their end")
			}
		}
	}
}

func argsNotKept(t testing.TB, h *subject) {
	s, space := h.Open(t), newKeyspace()
	record := store.NewScript("record", "redis.call('SET', KEYS[1], ARGV[1], 'PX', 600000) return {ARGV[1] + 0}")
	run(t, s, record, []string{space.key("warm")}, 1)
	// First Run gives up, because Redis is busy, and later it answers. Under the race detector
	// a late read shows even if it does not change what Redis gets.
	done := busy(t, h, space.key("busy"), 500*time.Millisecond)
	for i := range 4 {
		keys, args := []string{space.key("kept")}, []int64{1}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		_, _ = s.Run(ctx, record, keys, args)
		keys[0], args[0] = space.key("clobbered"), 2
		if i == 3 {
			<-done
		}
		cancel()
	}
	for range 50 {
		keys, args := []string{space.key("kept")}, []int64{1}
		run(t, s, record, keys, args...)
		keys[0], args[0] = space.key("clobbered"), 2
	}
	if got := run(t, s, count, []string{space.key("clobbered")}); got[0] != 0 {
		differ(t, "it was", "that it was not", "whether a key was used that the caller wrote into keys after Run")
	}
	if got := run(t, s, count, []string{space.key("kept")}); got[0] != 1 {
		differ(t, got[0], 1, "the arg that was recorded, of a caller that changed it after Run")
	}
}

func replyOwned(t testing.TB, h *subject) {
	s, keys := h.Open(t), []string{newKeyspace().key("k")}
	same := store.NewScript("same", "return {tonumber(ARGV[1]), tonumber(ARGV[2])}")
	args := []int64{1, 2}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var replies [][]int64
	for range 4 {
		reply, err := s.Run(ctx, same, keys, args)
		if err != nil {
			differ(t, err, "no error", "Run")
		}
		replies = append(replies, reply)
	}
	for i := range replies {
		for j := range replies[i] {
			replies[i][j] = int64(100 * (i + 1))
		}
		if !slices.Equal(args, []int64{1, 2}) {
			differ(t, args, []int64{1, 2}, "args after the reply was changed")
		}
		for _, other := range replies[i+1:] {
			if !slices.Equal(other, args) {
				differ(t, other, args, "a reply after another one was changed")
			}
		}
	}
	if got := run(t, s, same, keys, args...); !slices.Equal(got, args) {
		differ(t, got, args, "the reply after earlier ones were changed")
	}
}
