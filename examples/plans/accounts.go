package main

import "sync"

// accounts knows the plan of each API key. In a service it would be a database table,
// looked up for each request or cached for a moment.
type accounts struct {
	mu    sync.RWMutex
	plans map[string]string
}

// newAccounts returns accounts of the keys, all on the free plan.
func newAccounts(keys ...string) *accounts {
	a := &accounts{plans: map[string]string{}}
	for _, key := range keys {
		a.plans[key] = "free"
	}
	return a
}

func (a *accounts) plan(key string) (string, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	plan, ok := a.plans[key]
	return plan, ok
}

// setPlan reports whether the key exists.
func (a *accounts) setPlan(key, plan string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.plans[key]; !ok {
		return false
	}
	a.plans[key] = plan
	return true
}
