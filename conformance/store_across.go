package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// acrossScript adds a number to each key. It replies with which run it is, how many KEYS
// it has, and the sum of each key. In run 3 it fails, as addScript does. If one of the
// keys is on another server, it adds nothing, and replies with CROSSSLOT.
const acrossScript = `
local last = ARGV[1] + 1
local reply = {tonumber(ARGV[last + 1]), #KEYS}
if reply[1] == 3 then return redis.error_reply('OOPS not this one') end
for i = 2, last do
  local text = redis.pcall('GET', ARGV[i])
  if type(text) == 'table' then return redis.error_reply('CROSSSLOT not all are here') end
end
for i = 2, last do
  reply[i + 1] = redis.call('INCRBY', ARGV[i], ARGV[last + 2])
  redis.call('PEXPIRE', ARGV[i], 600000)
end
return reply`

func runAcross(t testing.TB, h *subject) {
	s := h.Open(t)
	across, ok := s.(store.Spanning)
	if !ok {
		t.Skip("the Store is not store.Spanning")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	prefix := newKeyspace()
	var keys []string
	for i := range 60 { // many partitions: no two keys have a hash tag in common
		keys = append(keys, fmt.Sprintf("conformance:%d:%s", i, string(prefix)[len(prefix)-20:]))
	}
	servers := locate(ctx, t, s, keys)
	script := unseen(acrossScript)
	sums := map[string]int64{}
	for round := range 3 {
		var runs []store.Run
		for _, server := range slices.Sorted(maps.Keys(servers)) {
			for some := range slices.Chunk(servers[server], 5) {
				runs = append(runs, store.Run{Keys: some, Args: []int64{int64(len(runs)), int64(len(runs)) + 1}, Err: errors.New("of before")})
			}
		}
		stray := -1
		if len(servers) > 1 { // give the last run a first key that is another server's
			stray = len(runs) - 1
			runs[stray].Keys = slices.Concat(runs[0].Keys[:1], runs[stray].Keys)
		}
		if round == 2 {
			h.flush(t)
		}
		across.RunAcross(ctx, script, runs)
		for i, r := range runs {
			if want := []int64{int64(i), int64(i) + 1}; !slices.Equal(r.Args, want) {
				differ(t, r.Args, want, "args of run %d of RunAcross, after it", i)
			}
			if i == 3 || i == stray {
				prefix := "OOPS"
				if i == stray {
					prefix = "CROSSSLOT"
				}
				if server := (*store.ServerError)(nil); !errors.As(r.Err, &server) || server.Prefix() != prefix || r.Reply != nil {
					differ(t, fmt.Sprintf("%v, %v", r.Reply, r.Err), "a *ServerError with "+prefix, "run %d of RunAcross, whose script says that", i)
				}
				continue
			}
			want := []int64{int64(i), 0}
			for _, key := range r.Keys {
				sums[key] += int64(i) + 1
				want = append(want, sums[key])
			}
			if r.Err != nil || !slices.Equal(r.Reply, want) {
				differ(t, fmt.Sprintf("%v, %v", r.Reply, r.Err), want, "run %d of RunAcross, in round %d: which run it was, how many KEYS it had, and the sums of what its keys got", i, round+1)
			}
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	runs := []store.Run{{Keys: keys[:1], Args: []int64{0, 1}}}
	across.RunAcross(ended, script, runs)
	if r := runs[0]; !errors.Is(r.Err, context.Canceled) || r.Reply != nil {
		differ(t, fmt.Sprintf("%v, %v", r.Reply, r.Err), context.Canceled, "a RunAcross whose context had ended")
	}
	if got := run(t, s, count, keys[:1]); got[0] != sums[keys[0]] {
		differ(t, got[0], sums[keys[0]], "what a key came to after a RunAcross whose context had ended")
	}
}

// locate waits until the Store knows which server has each key, and returns the keys by
// server. It skips the test if the Store does not find out.
func locate(ctx context.Context, t testing.TB, s store.Store, keys []string) map[uint64][]string {
	parts, ok := s.(store.Partitioned)
	if !ok {
		differ(t, false, true, "whether a Store that is store.Spanning is store.Partitioned")
	}
	if p, ok := s.(store.Pipelined); ok { // runs on the keys make the Store find out
		var runs []store.Run
		for _, key := range keys {
			runs = append(runs, store.Run{Keys: []string{key}})
		}
		p.RunAll(ctx, count, runs)
	}
	const enough = 2 * time.Second
	for start := time.Now(); time.Since(start) < enough; time.Sleep(10 * time.Millisecond) {
		servers := map[uint64][]string{}
		known := 0
		for _, key := range keys {
			partition, ok := parts.Partition(key)
			if !ok {
				t.Skip("the Store's keys are not in partitions")
			}
			if server, ok := s.(store.Spanning).Server(partition); ok {
				servers[server] = append(servers[server], key)
				known++
			}
		}
		if known == len(keys) {
			return servers
		}
	}
	t.Skip("the Store does not know which partitions are on one server")
	return nil
}
