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
	// So many keys that some of each form share a partition with others.
	for i := range 1600 {
		unique := fmt.Sprintf("%s:%d", string(space)[len(space)-10:], i)
		keys = append(keys, "conformance:"+fmt.Sprintf(braces[i%len(braces)], unique))
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
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for partition, keys := range together {
		if len(keys) < 2 {
			continue
		}
		if got, err := s.Run(ctx, countKeys, keys, nil); err != nil || got[0] != int64(len(keys)) {
			differ(t, fmt.Sprintf("%v, error %v", got, err), len(keys), "how many keys a run has, of which Partition says that all are in %d: %.200q", partition, keys)
		}
	}
}

// braces are keys with a hash tag, or with what looks like one.
var braces = []string{"%s", "{%s}", "%s{}", "{}%s", "{%s", "%s}", "}%s{", "{{%s}}", "{%s}{a}", "{a{%[1]s}b}%[1]s", "{}{%s}", "%s{a", "a}{%s}b"}

var countKeys = store.NewScript("count keys", "for _, key in ipairs(KEYS) do redis.call('EXISTS', key) end return {#KEYS}")

func runAll(t testing.TB, h *subject) {
	s := h.Open(t)
	p := pipelinedOf(t, s)
	script, prefix := unseen(addScript), newKeyspace()
	keys := prefix.many(40)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.RunAll(ctx, script, nil)
	for round := range 3 {
		runs := addRuns(keys)
		if round == 2 {
			h.flush(t)
		}
		p.RunAll(ctx, script, runs)
		if err := added(keys, runs, round+1); err != nil {
			t.Fatalf("RunAll of %d runs: %v", len(runs), err)
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
