package ratelimit

import "time"

// The optional abilities of observers: what they can be told besides decisions.

// LimiterObserver is an optional ability of an [Observer]: [New] tells it of the limiter
// before it is told of anything else, so that counters can start at 0.
//
// A panic in ObserveLimiter is treated like one in Observe.
type LimiterObserver interface {
	ObserveLimiter(LimiterEvent)
}

// LimiterEvent describes a limiter that was made. Later versions may add fields.
type LimiterEvent struct {
	// Namespace and Algorithm name the limiter, as in its keys.
	Namespace, Algorithm string
}

// BreakerObserver is an optional ability of an [Observer]: it is told when a breaker
// of the limiter opens, and when it closes again. See [WithoutBreaker].
//
// ObserveBreaker is told of the changes of one breaker in order, one at a time; changes of
// different breakers may come at once. It may be called on any goroutine, including one that
// callers wait for, so it must be fast. A panic in it is treated like one in Observe.
type BreakerObserver interface {
	ObserveBreaker(BreakerEvent)
}

// BreakerEvent is one change of a breaker. A limiter has one breaker; on a Cluster
// it has many, one for each range of hash slots. Later versions may add fields.
type BreakerEvent struct {
	// Namespace and Algorithm name the limiter, as in its keys.
	Namespace, Algorithm string
	// From and State are the breaker's states before and after.
	From, State BreakerState
	// Err is the error of the last run if the breaker opens, and Class is its class.
	Err   error
	Class ErrorClass
	// Elapsed is how long ago the breaker opened; 0 if it opens now.
	Elapsed time.Duration
}

// RunObserver is an optional ability of an [Observer]: it is told of each run of the
// limiter's script, which makes the decisions for one caller or for many (see
// [WithoutBatching]).
//
// ObserveRun is called from any number of goroutines at once, before the callers get their
// results, so they wait for it. A panic in it is treated like one in Observe.
type RunObserver interface {
	ObserveRun(RunEvent)
}

// RunEvent describes one run of the script that was given to the store, whether or not it
// reached Redis. If a Cluster refuses a run, smaller runs replace it, and each has an event
// of its own. The run of a [Joint] has one event for each of its limiters. The probes of a
// breaker and the runs of Reset and Ping are not reported. Later versions may add fields.
type RunEvent struct {
	// Namespace and Algorithm name the limiter, as in its keys.
	Namespace, Algorithm string
	// Decisions is how many calls the run was for, Peeks included, and Keys is how many
	// identities they were for. Both are at least 1.
	Decisions, Keys int
	// Err is why there was no reply, or nil, and Class is its class.
	Err   error
	Class ErrorClass
	// Elapsed is how long the run took, including the wait for its turn. If the run was part
	// of a pipeline, Elapsed is the time of the whole pipeline.
	Elapsed time.Duration
}

// BreakerState is what a breaker does with calls.
type BreakerState string

// The states of a breaker.
const (
	// BreakerClosed: calls go to Redis.
	BreakerClosed BreakerState = "closed"
	// BreakerOpen: the failure mode decides at once; probes go to Redis.
	BreakerOpen BreakerState = "open"
	// BreakerHalfOpen: the breaker was open, and then nobody called for 5 seconds, so
	// it is not known how Redis is now. Calls go to Redis, and the first that gets no
	// answer opens the breaker again.
	BreakerHalfOpen BreakerState = "half-open"
)
