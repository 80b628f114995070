package conformance_test

import (
	"testing"

	"github.com/distributed-rate-limiter/ratelimit/conformance"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// The READMEs show this. TestPairings is one that runs.
func Example() {
	open := func(testing.TB) store.Store { return nil }

	_ = func(t *testing.T) {
		conformance.TestStore(t, conformance.Harness{
			Open: func(t testing.TB) store.Store { return open(t) },
		})
	}
}
