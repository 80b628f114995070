package main

import "sync"

// accounts knows the plans of API keys. In a service that is a table of a database,
// looked up once for each request or kept for a moment.
type accounts struct {
	mu    sync.RWMutex
	plans map[string]string
}

// newAccounts returns the accounts of these keys, all of them free.
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

// setPlan reports whether there is such a key.
func (a *accounts) setPlan(key, plan string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.plans[key]; !ok {
		return false
	}
	a.plans[key] = plan
	return true
}
