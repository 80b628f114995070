package observe

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/distributed-rate-limiter/ratelimit"
)

// maxLimiters is how many limiters an observer keeps apart. A program that makes
// one for each of its tenants must not fill the memory by it.
const maxLimiters = 1000

// limiter names a limiter, as in its keys.
type limiter struct{ namespace, algorithm string }

// others are those beyond maxLimiters, all together.
var others = limiter{"(others)", "(others)"}

func limiterOf(e ratelimit.Event) limiter { return limiter{e.Namespace, e.Algorithm} }

// byLimiter has a T for each limiter. To find one takes no lock and no allocation:
// the map is copied when a limiter is new, which is soon over.
type byLimiter[T any] struct {
	known atomic.Pointer[map[limiter]*of[T]]
	mu    sync.Mutex // of those who add one
}

// of is the T of a limiter.
type of[T any] struct {
	limiter
	value T
}

func (b *byLimiter[T]) find(name limiter) *of[T] {
	if found, ok := b.all()[name]; ok {
		return found
	}
	return b.add(name)
}

// all has those that are known. It is not to be changed.
func (b *byLimiter[T]) all() map[limiter]*of[T] {
	if known := b.known.Load(); known != nil {
		return *known
	}
	return nil
}

func (b *byLimiter[T]) add(name limiter) *of[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.all()
	if len(known) >= maxLimiters {
		name = others
	}
	if found, ok := known[name]; ok {
		return found
	}
	more := make(map[limiter]*of[T], len(known)+1)
	maps.Copy(more, known)
	more[name] = &of[T]{limiter: name}
	b.known.Store(&more)
	return more[name]
}
