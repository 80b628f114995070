package ratelimit

import "time"

// What an observer may be told of besides decisions.

// LimiterObserver is an ability that an [Observer] may have: [New] tells it of the
// limiter, before there is anything else to tell. So counters can begin at 0.
//
// What ObserveLimiter panics with is treated like what Observe does.
type LimiterObserver interface {
	ObserveLimiter(LimiterEvent)
}

// LimiterEvent is a limiter that was made. It may get further fields.
type LimiterEvent struct {
	// Namespace and Algorithm name the limiter, as in its keys.
	Namespace, Algorithm string
}

// BreakerObserver is an ability that an [Observer] may have: it is told when a
// breaker of the limiter opens, and when it closes again. See [WithoutBreaker].
//
// ObserveBreaker may be called from any goroutine, also one of a caller who waits
// for a decision. What it panics with is treated like what Observe does.
type BreakerObserver interface {
	ObserveBreaker(BreakerEvent)
}

// BreakerEvent is one change of a breaker. A limiter has one breaker; on a Cluster
// it has many, each for a range of hash slots. It may get further fields.
type BreakerEvent struct {
	// Namespace and Algorithm name the limiter, as in its keys.
	Namespace, Algorithm string
	// From and State are the breaker's states before and after.
	From, State BreakerState
	// Err is what the last run failed with, and Class its class, where the
	// breaker opens.
	Err   error
	Class ErrorClass
	// Elapsed is how long ago the breaker opened, where it does not just do so.
	Elapsed time.Duration
}

// RunObserver is an ability that an [Observer] may have: it is told of each run of
// the limiter's script, which takes the decisions of one caller or of many (see
// [WithoutBatching]).
//
// ObserveRun is called before those callers get to know, from any number of
// goroutines at once, and they wait for it. What it panics with is treated like
// what Observe does.
type RunObserver interface {
	ObserveRun(RunEvent)
}

// RunEvent is one run of the script, as it was given to the store: whether or not
// Redis got it. What a Cluster refused goes again in parts, and each of those is one.
// A [Joint]'s run is told of to each of its limiters, as one of one decision. Runs for
// no caller are not told of: a breaker's probes, and those of Reset. It may get further
// fields.
type RunEvent struct {
	// Namespace and Algorithm name the limiter, as in its keys.
	Namespace, Algorithm string
	// Decisions is how many calls it was for, Peeks included, and Keys of how many
	// identities; both at least 1.
	Decisions, Keys int
	// Err is why there was no reply, or nil, and Class its class.
	Err   error
	Class ErrorClass
	// Elapsed is how long it took, with the wait for its turn. Runs that went as one
	// pipeline took as long as all of it.
	Elapsed time.Duration
}

// BreakerState is what a breaker does.
type BreakerState string

// The states of a breaker.
const (
	// BreakerClosed: calls go to Redis.
	BreakerClosed BreakerState = "closed"
	// BreakerOpen: the failure mode decides at once; probes go to Redis.
	BreakerOpen BreakerState = "open"
	// BreakerHalfOpen: nobody had called for some seconds, so it is not known any
	// more how Redis is; calls go to Redis, and the first that gets no answer
	// opens the breaker.
	BreakerHalfOpen BreakerState = "half-open"
)
