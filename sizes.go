package ratelimit

import (
	"sync/atomic"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// sizes estimates how large the states of a limiter are, if each unit that is taken adds to
// them. It goes by what the last runs found, since nobody knows how large a state is before
// it is read. It is nil if all states are small.
type sizes struct {
	plan  *algorithm.Plan
	taken atomic.Int64 // units that an identity has taken, on average
}

func newSizes(p *algorithm.Plan) *sizes {
	if p.UnitSize == 0 {
		return nil
	}
	s := &sizes{plan: p}
	s.taken.Store(p.Limit) // the worst, at first
	return s
}

// keyCost is the cost of the first decision of a key in a batch. It is half a µs more for
// every 128 bytes of the key's state, which must be read and written. A key that costs more
// than half of a batch goes without other keys, but further calls of its own may go with it.
func (s *sizes) keyCost() int {
	if s == nil {
		return keyCost
	}
	bytes := float64(s.taken.Load()) * float64(s.plan.UnitSize)
	return int(min(maxCost/2+1, keyCost+bytes/128))
}

// enough is how many calls are worth a run: at most the number of keys that may go at once.
func (s *sizes) enough() int {
	if s == nil {
		return enough
	}
	return min(enough, maxCost/s.keyCost())
}

// note learns from a run that was answered. Larger states count at once, smaller ones little
// by little.
func (s *sizes) note(groups []group) {
	if s == nil || len(groups) == 0 {
		return
	}
	sum := 0.0
	for _, g := range groups {
		sum += float64(s.plan.Limit - g.calls[len(g.calls)-1].outcome.Remaining)
	}
	s.learn(int64(sum / float64(len(groups))))
}

// learn notes how many units the identities of a run had taken, on average.
func (s *sizes) learn(average int64) {
	before := s.taken.Load()
	s.taken.Store(max(average, before-(before+7)/8))
}
