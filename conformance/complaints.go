package conformance

import (
	"sync"
	"testing"
)

// enough is how many failures of each kind are printed.
const enough = 3

// complaints prints what many runs or goroutines of one check find wrong. Because one fault
// may show in hundreds of them, it prints only the first few failures of each kind.
type complaints struct {
	t    testing.TB
	mu   sync.Mutex
	seen map[string]int // by format
}

func complain(t testing.TB) *complaints {
	return &complaints{t: t, seen: map[string]int{}}
}

// Errorf fails the test, and prints why, unless enough failures of this kind were printed.
func (c *complaints) Errorf(format string, args ...any) {
	c.t.Helper()
	c.mu.Lock()
	c.seen[format]++
	n := c.seen[format]
	c.mu.Unlock()
	switch {
	case n <= enough:
		c.t.Errorf(format, args...)
	case n == enough+1:
		c.t.Error("… and so on: further failures of this kind are not printed")
	}
}
