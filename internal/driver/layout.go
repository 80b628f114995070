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

// Layout knows which hash slots of a Cluster are on one server, for store.Spanning. The zero
// Layout is ready for use and knows nothing; a nil Layout never will.
//
// A node of a Redis Cluster requires that the keys that a command declares are in one slot.
// Keys that a script uses without having declared them must only be the node's own, which
// the node checks for each command of the script: see scriptVerifyClusterState in Redis's
// script.c, and luaRedisGenericCommand before Redis 7. A server that only speaks Redis's
// protocol, such as a proxy with servers behind it, may not check this, and may give the
// script a key of that name from a server where it does not belong. So Learn tries this out
// first.
//
// If Redis refuses a script a key, Learn is due again a little later; until it has
// succeeded, each run keeps to one slot. Redis refuses keys for as long as slots are
// migrating, and for an old layout also after they have arrived.
type Layout struct {
	servers atomic.Pointer[layout]
	next    atomic.Pointer[time.Time] // when Learn is due; nil means at once

	mu     sync.Mutex
	cancel context.CancelFunc // of the Learn under way; nil if none is
	closed bool
}

// layout has the number of the server of each slot, from 1; 0 means that none is known.
type layout [hashslot.Count]uint16

// Slots is a range of slots, First and Last included, and the name of the server that has
// it.
type Slots struct {
	First, Last int64
	Server      string
}

const (
	// learnTimeout bounds the time for learning a layout.
	learnTimeout = 5 * time.Second
	// whenRefused is how long after a script was refused a key the layout is learned again,
	// and whenUnknown how long after it could not be learned.
	whenRefused = time.Second
	whenUnknown = 10 * time.Second
)

// probe reports whether a server refuses a script the keys that it does not have, and only
// those. It is run with two keys of the server's own and one of another server's, none of
// which exists.
//
// Valkey 9.0.0, its release candidates and 9.0.1 must not be given such scripts: if a
// script writes keys of several slots, these servers put some keys into wrong slots when
// they load them from the append-only file. See
// https://github.com/valkey-io/valkey/issues/2995.
var probe = store.NewScript("probe", `local valkey = redis.VALKEY_VERSION_NUM or 0
if 0x080900 <= valkey and valkey < 0x090002 then return {0} end
redis.call('GET', ARGV[2])
redis.call('GET', ARGV[3])
local text = redis.pcall('GET', ARGV[4])
return {type(text) == 'table' and text.err and 1 or 0}
`)

// Server returns the server that has a partition, as package hashslot numbers partitions.
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

// Due reports whether to call Learn.
func (l *Layout) Due() bool {
	if l == nil || l.servers.Load() != nil {
		return false
	}
	next := l.next.Load()
	return next == nil || !time.Now().Before(*next)
}

// Learn learns the layout in the background. slots asks for all ranges of slots; run is
// RunAcross for one run. The keys that Learn tries begin with the given key, so that a user
// with permission for that key may use them.
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
			_ = recover() // the client may panic, or a hook of it
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

// Note looks at how runs across slots ended. If a script in any of them was refused a key,
// Note forgets the servers.
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

// Close ends the Learn that is under way, and lets none begin any more.
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

// layoutOf returns the layout of ranges, as far as it can be told from them.
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

// probes returns three keys that begin with the given one: two of one server, in two slots,
// and one of another server. It returns nil if it finds none.
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
