package ratelimit

// KeyOf returns the Redis key of an identity, for tests that look at Redis.
func KeyOf(l *Limiter, identity string) string {
	sum := l.keys.hash(identity)
	return l.keys.key(&sum)
}

// Waiting returns how many calls wait for a run, those that are in one not
// counted.
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
	// MaxKeys is the most keys of a run.
	MaxKeys = maxCost / keyCost
	// MaxRuns is how many turns there are.
	MaxRuns = maxRuns
	// Lanes is in how many lanes calls wait, by the first byte of the hash.
	Lanes = lanes
)

// Crowd has it seem that as many wait for a run, and for a turn, as may.
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
