package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

func partitions(t testing.TB, h *subject) {
	s := h.Open(t)
	p, ok := s.(store.Partitioned)
	if !ok {
		t.Skip("the Store is not store.Partitioned")
	}
	_, parted := p.Partition("any")
	space := newKeyspace()
	keys := slices.Concat(space.keys(8), newKeyspace().keys(8))
	for i := range 300 {
		keys = append(keys, fmt.Sprintf("conformance:%s:%d", string(space)[len(space)-10:], i))
	}
	together := map[uint64][]string{}
	for _, key := range keys {
		partition, ok := p.Partition(key)
		again, _ := p.Partition(key)
		switch {
		case ok != parted:
			differ(t, ok, parted, "whether key %q is in a partition, against whether any key is", key)
		case !ok:
			partition = 0
		case partition != again:
			differ(t, again, partition, "the partition of key %q, asked for again", key)
		}
		together[partition] = append(together[partition], key)
	}
	for _, keys := range together {
		if got := run(t, s, countKeys, keys); got[0] != int64(len(keys)) {
			differ(t, got[0], len(keys), "how many keys a run of one partition has")
		}
	}
}

var countKeys = store.NewScript("count keys", "for _, key in ipairs(KEYS) do redis.call('EXISTS', key) end return {#KEYS}")

func runAll(t testing.TB, h *subject) {
	s := h.Open(t)
	p, ok := s.(store.Pipelined)
	if !ok {
		t.Skip("the Store is not store.Pipelined")
	}
	// Adds to a key, and says to which run that was; or fails.
	script := unseen("if ARGV[1] == '3' then return redis.error_reply('OOPS not this one') end\n" +
		"redis.call('PEXPIRE', KEYS[1], 600000) return {tonumber(ARGV[1]), redis.call('INCRBY', KEYS[1], ARGV[2])}")
	prefix := newKeyspace()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for round := range 3 {
		var runs []store.Run
		for i := range 40 { // many partitions: no two keys have a hash tag in common
			runs = append(runs, store.Run{
				Keys: []string{fmt.Sprintf("conformance:%d:%s", i, string(prefix)[len(prefix)-20:])},
				Args: []int64{int64(i), int64(i) + 1},
				Err:  errors.New("of before"),
			})
		}
		if round == 2 && h.FlushScripts != nil {
			h.FlushScripts(t)
		}
		p.RunAll(ctx, script, runs)
		for i, r := range runs {
			if want := []int64{int64(i), int64(i) + 1}; !slices.Equal(r.Args, want) {
				differ(t, r.Args, want, "args of run %d of RunAll, after it", i)
			}
			if i == 3 {
				if server := (*store.ServerError)(nil); !errors.As(r.Err, &server) || r.Reply != nil {
					differ(t, fmt.Sprintf("%v, %v", r.Reply, r.Err), "a *ServerError", "the one of 40 runs of RunAll whose script fails")
				}
				continue
			}
			if want := []int64{int64(i), int64((round + 1) * (i + 1))}; r.Err != nil || !slices.Equal(r.Reply, want) {
				differ(t, fmt.Sprintf("%v, %v", r.Reply, r.Err), want, "run %d of RunAll, in round %d: which run it was, and the sum of what its key got", i, round+1)
			}
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	runs := []store.Run{{Keys: []string{prefix.key("ended")}, Args: []int64{0, 1}}, {Keys: []string{prefix.key("ended")}, Args: []int64{1, 1}}}
	p.RunAll(ended, script, runs)
	for i, r := range runs {
		if !errors.Is(r.Err, context.Canceled) || r.Reply != nil {
			differ(t, fmt.Sprintf("%v, %v", r.Reply, r.Err), context.Canceled, "run %d of a RunAll whose context had ended", i)
		}
	}
	if got := run(t, s, script, []string{prefix.key("ended")}, 0, 0); got[1] != 0 {
		differ(t, got[1], 0, "what a RunAll whose context had ended has done")
	}
}
