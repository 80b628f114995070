package driver

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/internal/hashslot"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Layout knows which hash slots of a Cluster are on one server, for store.Spanning. The
// zero Layout is ready for use and knows nothing; a nil one never will.
//
// A node of a Redis Cluster wants the keys that a command declares to be in one slot. Of
// those that a script uses without having declared them it wants that they are its own,
// and looks at that for each command of the script: see scriptVerifyClusterState in
// Redis's script.c, and luaRedisGenericCommand before Redis 7. What speaks its protocol
// only, such as a proxy with servers behind it, may not, and give the script a key of
// that name from where it does not belong. So that is tried out first.
//
// Redis that refuses a script a key is asked anew, a little later; meanwhile each run
// keeps to one slot. It does so for as long as slots are on their way, and when they have
// arrived.
type Layout struct {
	servers atomic.Pointer[layout]
	next    atomic.Pointer[time.Time] // when to learn it; nil for at once

	mu     sync.Mutex
	cancel context.CancelFunc // of what is under way; nil if nothing is
	closed bool
}

// layout has the server of each slot, from 1; 0 is none.
type layout [hashslot.Count]uint16

// Slots is a range of slots, First and Last included, and the name of the server that
// has them.
type Slots struct {
	First, Last int64
	Server      string
}

const (
	// learnTimeout bounds what is asked for a layout.
	learnTimeout = 5 * time.Second
	// whenRefused is how long after a script was refused a key the layout is asked for
	// again, and whenUnknown after it could not be learnt.
	whenRefused = time.Second
	whenUnknown = 10 * time.Second
)

// probe reports whether a server refuses a script the keys that it does not have, and only
// those: it is run with two keys of its own and one of another's, none of which is there.
//
// Valkey 9.0.0 and 9.0.1, and what was released before them to try it out, must not be
// given such scripts: where one writes keys of several slots, they put some where they do
// not belong when they load that from their append-only file. See
// https://github.com/valkey-io/valkey/issues/2995.
var probe = store.NewScript("probe", `local valkey = redis.VALKEY_VERSION_NUM or 0
if 0x080900 <= valkey and valkey < 0x090002 then return {0} end
redis.call('GET', ARGV[2])
redis.call('GET', ARGV[3])
local text = redis.pcall('GET', ARGV[4])
return {type(text) == 'table' and text.err and 1 or 0}
`)

// Server returns the server that has a partition, of package hashslot.
func (l *Layout) Server(partition uint64) (server uint64, ok bool) {
	if l == nil {
		return 0, false
	}
	servers := l.servers.Load()
	if servers == nil {
		return 0, false
	}
	server = uint64(servers[hashslot.OfPartition(partition)])
	return server, server != 0
}

// Due reports whether Learn is to be called.
func (l *Layout) Due() bool {
	if l == nil || l.servers.Load() != nil {
		return false
	}
	next := l.next.Load()
	return next == nil || !time.Now().Before(*next)
}

// Learn finds out, in the background. Slots asks for all ranges of slots; run is
// RunAcross for one run. Keys that it tries are like the given one, so that who may use
// that may use these.
func (l *Layout) Learn(key string, slots func(ctx context.Context) ([]Slots, error), run func(ctx context.Context, s *store.Script, keys []string) ([]int64, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.cancel != nil || !l.Due() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), learnTimeout)
	l.cancel = cancel
	key = strings.Clone(key)
	go func() {
		var found *layout
		defer func() {
			_ = recover() // a client may panic, or its hook
			cancel()
			l.mu.Lock()
			defer l.mu.Unlock()
			l.cancel = nil
			if found == nil {
				l.wait(whenUnknown)
			}
			l.servers.Store(found)
		}()
		ranges, err := slots(ctx)
		if err != nil {
			return
		}
		servers := layoutOf(ranges)
		keys := servers.probes(key)
		if keys == nil {
			return
		}
		if reply, err := run(ctx, probe, keys); err == nil && len(reply) == 1 && reply[0] == 1 {
			found = servers
		}
	}()
}

// Note looks at how runs across slots ended. If a script of any of them was refused a key,
// what is known of the servers is forgotten.
func (l *Layout) Note(runs []store.Run) {
	if slices.ContainsFunc(runs, refused) {
		l.forget()
	}
}

// refused reports whether the run's script was refused a key.
func refused(r store.Run) bool {
	server, ok := errors.AsType[*store.ServerError](r.Err)
	return ok && server.Prefix() == "CROSSSLOT"
}

func (l *Layout) forget() {
	if l == nil || l.servers.Load() == nil {
		return
	}
	l.wait(whenRefused)
	l.servers.Store(nil)
}

func (l *Layout) wait(d time.Duration) {
	next := time.Now().Add(d)
	l.next.Store(&next)
}

// Close ends what is under way, and has nothing begin any more.
func (l *Layout) Close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.cancel != nil {
		l.cancel()
	}
}

// layoutOf returns what a server told, as far as it can be.
func layoutOf(ranges []Slots) *layout {
	servers, numbers := &layout{}, map[string]uint16{}
	for _, r := range ranges[:min(len(ranges), hashslot.Count)] { // there are no more
		number, ok := numbers[r.Server]
		if !ok {
			number = uint16(len(numbers) + 1)
			numbers[r.Server] = number
		}
		for slot := max(r.First, 0); slot <= min(r.Last, hashslot.Count-1); slot++ {
			servers[slot] = number
		}
	}
	return servers
}

// probes returns three keys that begin like the given one: two of one server, in two
// slots, and one of another. It returns nil if there are none.
func (servers *layout) probes(key string) []string {
	const enough = 1000
	first := key + "-0"
	slot := hashslot.Of(first)
	server := servers[slot]
	if server == 0 {
		return nil
	}
	var near, far string
	for i := 1; i < enough && (near == "" || far == ""); i++ {
		other := key + "-" + strconv.Itoa(i)
		switch at := hashslot.Of(other); {
		case at == slot:
		case servers[at] == server:
			near = other
		case servers[at] != 0:
			far = other
		}
	}
	if near == "" || far == "" {
		return nil
	}
	return []string{first, near, far}
}
