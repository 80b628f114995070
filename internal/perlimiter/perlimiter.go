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

// Max is how many limiters are kept apart: a program that makes one for each of its
// tenants fills neither the memory nor a metrics server by it. Those beyond it are one,
// whose namespace and algorithm are [Others].
const (
	Max    = 1000
	Others = "(others)"
)

// Map has a T for each limiter, by its namespace and algorithm. Those who look
// something up take no lock, up to Max limiters, and allocate nothing. Each new one
// copies the map.
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
	if len(all) >= Max {
		n = name{Others, Others}
	}
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
