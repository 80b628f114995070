// Package perlimiter keeps what an observer has for each limiter that it observes.
//
// Modules of their own use it, which may be older than what they are built with: it
// changes by addition only.
package perlimiter

import (
	"iter"
	"maps"
	"sync"
	"sync/atomic"
)

// Map has a T for each limiter, by its namespace and algorithm. Those who look
// something up take no lock and allocate nothing. It is for limiters, of which there
// are few: each new one copies the map.
type Map[T any] struct {
	make func(namespace, algorithm string) T
	mu   sync.Mutex // held by who adds one
	all  atomic.Pointer[map[name]T]
}

type name struct{ namespace, algorithm string }

// New returns an empty map whose Ts are made by make, one at a time.
func New[T any](make func(namespace, algorithm string) T) *Map[T] {
	m := &Map[T]{make: make}
	m.all.Store(&map[name]T{})
	return m
}

// Of returns the T of a limiter. It is made when it is asked for first.
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
	if t, ok := all[n]; ok {
		return t // somebody was faster
	}
	t := m.make(n.namespace, n.algorithm)
	all = maps.Clone(all)
	all[n] = t
	m.all.Store(&all)
	return t
}

// All returns all there are now, in no order.
func (m *Map[T]) All() iter.Seq[T] { return maps.Values(*m.all.Load()) }
