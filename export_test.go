package ratelimit

// KeyOf returns the Redis key of an identity, for tests that look at Redis.
func KeyOf(l *Limiter, identity string) string {
	sum := l.keys.hash(identity)
	return l.keys.key(&sum)
}

// Waiting returns how many calls wait for a run. Calls that are in a run do not count.
func Waiting(l *Limiter) (n int) {
	for i := range l.batcher.queues {
		q := &l.batcher.queues[i]
		q.mu.Lock()
		for i := range q.lanes {
			n += q.lanes[i].waiting()
		}
		q.mu.Unlock()
	}
	return n
}

const (
	// MaxKeys is the most keys that a run may have.
	MaxKeys = maxCost / keyCost
	// MaxRuns is the most runs that may be in flight.
	MaxRuns = maxRuns
	// Lanes is the number of lanes in which calls wait. The first byte of a key's hash selects
	// the lane.
	Lanes = lanes
)

// Crowd makes a limiter look as busy as it can be: all turns and flights are taken, and as
// many calls wait for them as may.
func Crowd(l *Limiter) {
	for range maxRuns {
		l.turns.taken <- struct{}{}
	}
	l.turns.waiting.Store(maxWaiting)
	if l.batcher == nil {
		return
	}
	for i := range l.batcher.queues {
		q := &l.batcher.queues[i]
		q.flying = maxFlights
		for i := range q.lanes {
			q.lanes[i].flying, q.lanes[i].calls = true, make([]*call, maxWaiting)
		}
	}
}
