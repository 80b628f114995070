// Package spacesaving finds the keys that occur most often in a stream, in bounded memory.
//
// It is the Space-Saving algorithm of A. Metwally, D. Agrawal and A. El Abbadi,
// "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005,
// with a heap in place of their list of buckets. There are m counters. A key without
// a counter takes over the one with the least count. It inherits that count, which is
// noted as its error: by so much its count may be too high. So, of N occurrences:
//
//   - Count - Error <= the true count <= Count for each key that has a counter;
//   - Error <= N/m, and no key without a counter has occurred more often than N/m times;
//   - so each key that occurred more than N/m times has a counter.
//
// All of this is true of any stream, even one that is made to deceive.
package spacesaving

// Summary has the counters. It is not safe for concurrent use.
type Summary[T any] struct {
	size  int
	total float64
	byKey map[uint64]*Counter[T]
	heap  []*Counter[T] // none counts less than its parent, which is at (i-1)/2
}

// Counter is the counter of one key.
type Counter[T any] struct {
	// Count is how often the key occurred, at most. Error is by how much Count may be too
	// high.
	Count, Error float64
	// Value is for the caller to use.
	Value T

	key uint64
	at  int // in the heap
}

// New returns a summary of size counters; size is at least 1. Counters are made as keys come.
func New[T any](size int) *Summary[T] {
	return &Summary[T]{size: size, byKey: map[uint64]*Counter[T]{}}
}

// Add counts an occurrence of key, and returns its counter. fresh reports whether key has
// just got that counter. Value is then that of the key that had it before, if any.
func (s *Summary[T]) Add(key uint64) (c *Counter[T], fresh bool) {
	s.total++
	c, found := s.byKey[key]
	switch {
	case found:
	case len(s.heap) < s.size:
		c = &Counter[T]{at: len(s.heap)}
		s.heap = append(s.heap, c)
		s.up(c)
	default:
		c = s.heap[0]
		delete(s.byKey, c.key)
		c.Error = c.Count
	}
	if !found {
		c.key = key
		s.byKey[key] = c
	}
	c.Count++
	s.down(c)
	return c, !found
}

// Scale multiplies all counts by factor, at most 1, so that old occurrences count less. The
// bounds that the package states then hold for the scaled counts.
func (s *Summary[T]) Scale(factor float64) {
	s.total *= factor
	for _, c := range s.heap {
		c.Count *= factor
		c.Error *= factor
	}
}

// Total returns how many occurrences there were, scaled as the counts are.
func (s *Summary[T]) Total() float64 { return s.total }

// Counters returns the counters, in no particular order. The caller may change only their
// Value.
func (s *Summary[T]) Counters() []*Counter[T] { return s.heap }

func (s *Summary[T]) up(c *Counter[T]) {
	for c.at > 0 {
		parent := s.heap[(c.at-1)/2]
		if parent.Count <= c.Count {
			return
		}
		s.swap(c, parent)
	}
}

func (s *Summary[T]) down(c *Counter[T]) {
	for {
		child := 2*c.at + 1
		if child >= len(s.heap) {
			return
		}
		if right := child + 1; right < len(s.heap) && s.heap[right].Count < s.heap[child].Count {
			child = right
		}
		if c.Count <= s.heap[child].Count {
			return
		}
		s.swap(c, s.heap[child])
	}
}

func (s *Summary[T]) swap(a, b *Counter[T]) {
	a.at, b.at = b.at, a.at
	s.heap[a.at], s.heap[b.at] = a, b
}
