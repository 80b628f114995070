package observe

import (
	"fmt"
	"slices"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/internal/digest"
)

// TopOption changes a default of a [Top].
type TopOption interface{ apply(*Top) error }

type topOption func(*Top) error

func (o topOption) apply(t *Top) error { return o(t) }

// TopSize sets how many counters there are for each limiter, from 1 to 100,000. The default
// is 1,000. A counter takes some 150 bytes once it is needed, and, with [TopReveal], room
// for what it reveals.
func TopSize(counters int) TopOption {
	return topOption(func(t *Top) error {
		if counters < 1 || counters > 100_000 {
			return fmt.Errorf("top size is %d: must be from 1 to 100000", counters)
		}
		t.size = counters
		return nil
	})
}

// TopHalfLife makes all counts halve each time d has passed, so that identities that were
// denied long ago leave the list. d must be at least a second. By default counts are never
// halved.
func TopHalfLife(d time.Duration) TopOption {
	return topOption(func(t *Top) error {
		if d < time.Second {
			return fmt.Errorf("top half-life is %v: must be at least 1s", d)
		}
		t.halfLife = d
		return nil
	})
}

// TopIdentityKey makes identities appear as their HMAC-SHA-256 under a secret of at least 16
// bytes, instead of their SHA-256, so that nobody who sees the list can test a guess. With
// the secret of [ratelimit.WithIdentityKey] they are again as in the keys in Redis. It costs
// some 150 ns more when an identity is new to the list.
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

// TopReveal makes identities appear as they are, cut after 256 bytes. They may be personal
// data, and API keys are secrets, so mind who sees the list.
func TopReveal() TopOption {
	return topOption(func(t *Top) error {
		t.reveal = true
		return nil
	})
}
