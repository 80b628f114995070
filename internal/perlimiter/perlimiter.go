// Package perlimiter lets an observer keep a value for each limiter that it observes.
//
// Other modules import it, and may be built with a version that is newer than they are. So it
// changes by addition only.
package perlimiter

import (
	"iter"
	"maps"
	"sync"
	"sync/atomic"
)

// Max is how many limiters are told apart, so that a program that makes one for each of its
// tenants fills neither its memory nor a metrics server. All limiters beyond Max count as
// one, whose namespace and algorithm are [Others].
const (
	Max    = 1000
	Others = "(others)"
)

// Map has a T for each limiter, by its namespace and algorithm. Looking up a limiter takes no
// lock, except beyond Max, and allocates nothing. Adding a limiter copies the map.
type Map[T any] struct {
	make func(namespace, algorithm string) T
	mu   sync.Mutex // held while a T is added
	all  atomic.Pointer[map[name]T]
}

type name struct{ namespace, algorithm string }

// New returns an empty map whose Ts are made by make, one at a time.
func New[T any](make func(namespace, algorithm string) T) *Map[T] {
	m := &Map[T]{make: make}
	m.all.Store(&map[name]T{})
	return m
}

// Of returns the T of a limiter, which is made when it is first asked for.
func (m *Map[T]) Of(namespace, algorithm string) T {
	if t, ok := (*m.all.Load())[name{namespace, algorithm}]; ok {
		return t
	}
	return m.add(name{namespace, algorithm})
}

func (m *Map[T]) add(n name) T {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := *m.all.Load()
	if len(all) >= Max {
		n = name{Others, Others}
	}
	if t, ok := all[n]; ok {
		return t // another goroutine was faster, or n is Others
	}
	t := m.make(n.namespace, n.algorithm)
	all = maps.Clone(all)
	all[n] = t
	m.all.Store(&all)
	return t
}

// All returns all Ts that there are now, in no particular order.
func (m *Map[T]) All() iter.Seq[T] { return maps.Values(*m.all.Load()) }
