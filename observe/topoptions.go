package observe

import (
	"fmt"
	"slices"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/internal/digest"
)

// TopOption sets something of a [Top] other than its default.
type TopOption interface{ apply(*Top) error }

type topOption func(*Top) error

func (o topOption) apply(t *Top) error { return o(t) }

// TopSize sets how many counters there are for each limiter, from 1 to 100,000; the
// default is 1,000. One takes some 150 bytes, from when it is needed, and what it
// reveals.
func TopSize(counters int) TopOption {
	return topOption(func(t *Top) error {
		if counters < 1 || counters > 100_000 {
			return fmt.Errorf("top size is %d: must be from 1 to 100000", counters)
		}
		t.size = counters
		return nil
	})
}

// TopHalfLife has all counts halved each time that d has passed, so that who was
// denied long ago leaves the list. The default is that they are not. It must be at
// least a second.
func TopHalfLife(d time.Duration) TopOption {
	return topOption(func(t *Top) error {
		if d < time.Second {
			return fmt.Errorf("top half-life is %v: must be at least 1s", d)
		}
		t.halfLife = d
		return nil
	})
}

// TopIdentityKey has identities shown by HMAC-SHA-256 under a secret of at least 16
// bytes, in place of SHA-256. Who sees the list then cannot test a guess. With the
// secret of [ratelimit.WithIdentityKey] they are again as in Redis's keys. It costs
// some 150 ns more where an identity is new to the list.
func TopIdentityKey(secret []byte) TopOption {
	secret = slices.Clone(secret)
	return topOption(func(t *Top) error {
		if len(secret) < 16 {
			return fmt.Errorf("top identity key has %d bytes: must have at least 16", len(secret))
		}
		t.newHasher = func() *digest.Hasher { return digest.New(secret) }
		return nil
	})
}

// TopReveal has identities shown as they are, cut after 256 bytes. They may be
// personal data, and those of API keys are secrets: mind who sees the list.
func TopReveal() TopOption {
	return topOption(func(t *Top) error {
		t.reveal = true
		return nil
	})
}
