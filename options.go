package ratelimit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Option changes a default of a [Limiter]. Later options override earlier ones,
// but observers add up. A nil Option changes nothing.
type Option interface {
	apply(*config) error
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// config is what options set.
type config struct {
	namespace string
	mode      FailureMode
	timeout   time.Duration
	observers []Observer
	secret    []byte

	withoutBatching, withoutBreaker bool
}

// WithNamespace sets the text that the limiter's keys begin with; the default is "ratelimit".
// Limiters with the same namespace and algorithm share the state of an identity, so limits
// that must not affect each other need different namespaces. It must not be empty, nor
// contain a colon or control characters. On Redis Cluster a namespace in braces, such as
// "{myapp}", puts all its keys on one node.
func WithNamespace(namespace string) Option {
	return option(func(c *config) error {
		unfit := func(r rune) bool { return r == ':' || unicode.IsControl(r) }
		switch {
		case namespace == "":
			return errors.New("namespace is empty")
		case !utf8.ValidString(namespace):
			return fmt.Errorf("namespace is %q: must be UTF-8", namespace)
		case strings.ContainsFunc(namespace, unfit):
			return fmt.Errorf("namespace is %q: must not have a colon or control characters", namespace)
		}
		c.namespace = namespace
		return nil
	})
}

// WithFailureMode sets how requests are decided while Redis cannot decide them; the default
// is [FailOpen].
func WithFailureMode(mode FailureMode) Option {
	return option(func(c *config) error {
		if mode != FailOpen && mode != FailClosed {
			return fmt.Errorf("failure mode is %d: must be FailOpen or FailClosed", mode)
		}
		c.mode = mode
		return nil
	})
}

// WithTimeout sets how long a decision may take before the failure mode decides; the default
// is 250 ms. It must be above 0. It holds whatever the timeouts of the Redis client are, and
// in addition to any deadline of a call's own context. The clock of batched calls is coarse:
// they may take up to two of its ticks longer. A tick is a sixteenth of timeout, but at most
// 20 ms.
func WithTimeout(timeout time.Duration) Option {
	return option(func(c *config) error {
		if timeout <= 0 {
			return fmt.Errorf("timeout is %v: must be above 0", timeout)
		}
		c.timeout = timeout
		return nil
	})
}

// WithObserver adds an observer to those the limiter already has; by default it has
// none. Observers are called in the order in which they were added.
func WithObserver(o Observer) Option {
	return option(func(c *config) error {
		if isNil(o) {
			return errors.New("observer is nil")
		}
		c.observers = append(slices.Clip(c.observers), o)
		return nil
	})
}

// minSecret is the least length of an identity key, in bytes.
const minSecret = 16

// WithIdentityKey sets a secret with which identities are hashed, by HMAC-SHA-256
// instead of the default SHA-256. Without it, anyone who can read Redis can test a
// guess, and e-mail addresses, phone numbers and IPs can all be guessed. The secret
// must have at least 16 bytes; use 32 random ones. A limiter with another secret
// has other keys, so every identity starts afresh.
func WithIdentityKey(secret []byte) Option {
	secret = slices.Clone(secret)
	return option(func(c *config) error {
		if len(secret) < minSecret {
			return fmt.Errorf("identity key has %d bytes: must have at least %d", len(secret), minSecret)
		}
		c.secret = secret
		return nil
	})
}

// WithoutBatching makes each call a run of its own. By default, calls that arrive
// while others are in flight go to Redis together in the next run, which costs each
// of them a fraction of a run, and costs a lone caller nothing. You need this option
// only behind a proxy that spreads keys over several servers without the store
// knowing it, so that the keys of one run could be on different servers.
func WithoutBatching() Option {
	return option(func(c *config) error {
		c.withoutBatching = true
		return nil
	})
}

// WithoutBreaker makes every decision ask Redis, however long Redis has not answered. So
// while Redis hangs, each decision takes the whole timeout.
//
// By default, three runs in a row without any answer open the limiter's breaker. From then on
// the failure mode decides at once, in microseconds, while probes ask Redis: one at once, the
// next after some 25 ms, and then less and less often, down to one about every 400 ms, until
// Redis answers or nobody has called for 5 s. (On a Cluster there is a breaker for each range
// of hash slots, so the outage of one node hardly affects the others.) An error that Redis
// replies with counts as an answer; a call whose own context ended counts as nothing.
// Observers see [ClassBreaker]; a [BreakerObserver] also sees the breaker open and close.
func WithoutBreaker() Option {
	return option(func(c *config) error {
		c.withoutBreaker = true
		return nil
	})
}
