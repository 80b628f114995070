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

// Option sets something of a [Limiter] other than its default.
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
	alone     bool // without batching
	unbroken  bool // without a breaker
}

// WithNamespace sets what the limiter's keys begin with; the default is
// "ratelimit". Limiters of the same namespace and algorithm share the state of
// an identity, so limits that should not touch each other need namespaces of
// their own. It may not be empty, and may not have a colon or control
// characters. On Redis Cluster a namespace in braces, such as "{myapp}", puts
// all its keys on one node.
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

// WithFailureMode sets what is decided while Redis cannot decide; the default is
// [FailOpen].
func WithFailureMode(mode FailureMode) Option {
	return option(func(c *config) error {
		if mode != FailOpen && mode != FailClosed {
			return fmt.Errorf("failure mode is %d: must be FailOpen or FailClosed", mode)
		}
		c.mode = mode
		return nil
	})
}

// WithTimeout sets how long a decision may take before the failure mode decides;
// the default is 250 ms. It holds whatever the timeouts of the Redis client, and
// beside any deadline of a call's own context. It must be above 0.
func WithTimeout(timeout time.Duration) Option {
	return option(func(c *config) error {
		if timeout <= 0 {
			return fmt.Errorf("timeout is %v: must be above 0", timeout)
		}
		c.timeout = timeout
		return nil
	})
}

// WithObserver adds an observer to those that the limiter already has; the
// default is none. Observers are called in the order in which they were added.
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

// WithIdentityKey sets a secret by which identities are hashed: HMAC-SHA-256
// instead of the default SHA-256. Without it, whoever reads Redis can test a
// guess, and e-mail addresses, phone numbers and IPs can all be guessed. The
// secret must have at least 16 bytes; use 32 random ones. A limiter with another
// secret has other keys, so every identity is fresh to it.
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

// WithoutBatching makes each call a run of its own. By default calls that come
// while others are in flight go to Redis together in the next run, which costs
// each of them a fraction of a run, and a caller who is alone nothing. Use it
// where keys of one run may not lie on different servers although the store does
// not know it: behind a proxy that shards.
func WithoutBatching() Option {
	return option(func(c *config) error {
		c.alone = true
		return nil
	})
}

// WithoutBreaker has every decision ask Redis, however long it has been away. By
// default three runs in a row without any answer open the limiter's breaker: from
// then on decisions follow the failure mode at once, in microseconds, and a probe
// asks Redis every 25 to 400 ms until it answers. (On a Cluster there are breakers
// for ranges of hash slots, so that one node's outage is its own.) An error that
// Redis replies with counts as an answer, and a call that its own context ended as
// nothing. Observers see [ClassBreaker], and opening and closing, see
// [BreakerObserver].
func WithoutBreaker() Option {
	return option(func(c *config) error {
		c.unbroken = true
		return nil
	})
}
