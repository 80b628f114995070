// Package ratelimit limits how often something may happen, for a whole fleet of
// processes at once: one Redis decides, atomically and by its own clock.
//
//	limiter, err := ratelimit.New(
//		goredis.New(client),
//		tokenbucket.Limit{Rate: 100, Period: time.Minute, Burst: 20},
//		ratelimit.WithNamespace("myapp"),
//	)
//	…
//	res, err := limiter.Allow(ctx, "user:12345")
//	if err != nil {
//		return err // the call makes no sense, or ctx ended
//	}
//	if !res.Allowed {
//		// come back after res.RetryAfter; if res.Degraded, that is not known
//	}
//
// Two things are pluggable: the store (packages store/goredis, store/rueidis,
// store/embedded, or any [store.Store]) and the algorithm (packages
// algorithm/tokenbucket, algorithm/slidingwindow, or any [algorithm.Algorithm]).
//
// # Errors, and a Redis that does not answer
//
// A denial is not an error, and neither is a Redis that does not answer: within the
// limiter's timeout the [FailureMode] decides, Result.Degraded is true, and
// observers are told why. After several runs in a row without any answer, the
// failure mode decides at once, until Redis answers again (see [WithoutBreaker]).
// An error means that the call itself makes no sense ([ErrIdentity], [ErrN]), or
// that it was given up because ctx ended. So code that returns on an error never
// defeats [FailOpen].
//
// # What Redis sees
//
// Redis holds one key for each identity, <namespace>:<algorithm>:<sha256 of the
// identity in hexadecimal>. The key expires by itself. Redis never sees the
// identity. See [WithIdentityKey] for identities that could be guessed.
package ratelimit

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/internal/waiting"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Result is the answer to one request.
type Result = algorithm.Result

// Limiter decides requests under one limit. Make one with [New]. It is safe for
// concurrent use, holds no state of identities, and needs no closing: it borrows
// its store, which the caller closes.
type Limiter struct {
	config
	store   store.Store
	plan    *algorithm.Plan
	program *algorithm.Program
	sizes   *sizes
	keys    *keyring
	// partitions tells which keys may be in one run.
	partitions *partitions
	// breakers is nil without a breaker.
	breakers *breakers
	// batcher is nil without batching.
	batcher   *batcher
	turns     *turns
	deadlines *deadline.Ends
	lines     *[2]waiting.Lines // of WaitN: [0] if the limiter fails open, [1] if not
	// runObservers are the observers that implement [RunObserver].
	runObservers []RunObserver
	// prompt says that the store's Run returns by its context's deadline: see [store.Prompt].
	prompt bool
}

// New returns a limiter that decides by the algorithm a, on the store s. It checks
// everything it is given, and its error names what is wrong. It does no I/O, so it
// works while Redis is down.
//
// In tests with testing/synctest, make the limiter in the bubble that uses it.
func New(s store.Store, a algorithm.Algorithm, options ...Option) (*Limiter, error) {
	if isNil(s) {
		return nil, errors.New("ratelimit: store is nil")
	}
	if isNil(a) {
		return nil, errors.New("ratelimit: algorithm is nil")
	}
	c := config{namespace: "ratelimit", mode: FailOpen, timeout: 250 * time.Millisecond}
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option.apply(&c); err != nil {
			return nil, fmt.Errorf("ratelimit: %w", err)
		}
	}
	plan, err := a.Compile()
	if err != nil {
		return nil, fmt.Errorf("ratelimit: %w", err)
	}
	program, err := algorithm.Compose(plan)
	if err != nil {
		return nil, fmt.Errorf("ratelimit: %w", err)
	}
	l := &Limiter{
		config:    c,
		store:     s,
		plan:      plan,
		program:   program,
		sizes:     newSizes(plan),
		keys:      newKeyring(c.namespace, plan.Name, c.secret),
		turns:     newTurns(),
		deadlines: &deadline.Ends{},
		lines:     &[2]waiting.Lines{},
	}
	l.config.secret = nil // only the keyring keeps it
	l.partitions = newPartitions(s, l.keys)
	if !c.withoutBreaker {
		l.breakers = newBreakers(l.partitions.exist())
	}
	if !c.withoutBatching {
		l.batcher = newBatcher(l)
	}
	if p, ok := s.(store.Prompt); ok {
		l.prompt = p.Prompt()
	}
	for _, o := range c.observers {
		if r, ok := o.(RunObserver); ok {
			l.runObservers = append(l.runObservers, r)
		}
		if o, ok := o.(LimiterObserver); ok {
			notifyLimiter(o, LimiterEvent{Namespace: c.namespace, Algorithm: plan.Name})
		}
	}
	return l, nil
}

// WithFailureMode returns the same limiter with another failure mode, for a call
// site that needs one of its own:
//
//	login := limiter.WithFailureMode(ratelimit.FailClosed)
//
// The two share everything else: states, batching, breaker, observers. (But a call of
// [Limiter.WaitN] waits only behind calls with the same mode.) Make it once, not for each
// call. A mode that is neither [FailOpen] nor [FailClosed] counts as FailClosed.
func (l *Limiter) WithFailureMode(mode FailureMode) *Limiter {
	other := &Limiter{}
	if l != nil {
		*other = *l
	}
	other.mode = mode
	return other
}

// isNil reports whether v is nil, or holds a pointer or function that is.
func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return r.IsNil()
	}
	return false
}

// Format implements [fmt.Formatter]: whatever the verb, it names the limiter, and
// shows neither secrets nor what the store and observers hold. It has a value
// receiver so that limiters in fields are formatted by it too.
func (l Limiter) Format(f fmt.State, _ rune) {
	if l.program == nil {
		fmt.Fprint(f, "ratelimit.Limiter()")
		return
	}
	fmt.Fprintf(f, "ratelimit.Limiter(%s:%s)", l.namespace, l.plan.Name)
}
