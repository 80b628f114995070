// Package spacesaving finds who occurs most often in a stream, in bounded memory.
//
// It is the Space-Saving algorithm of A. Metwally, D. Agrawal and A. El Abbadi,
// "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005,
// with a heap in place of their list of buckets. There are m counters. A key that has
// none takes over the one that has the least, and inherits its count as what it may
// have been counted too much. So, of N occurrences:
//
//   - Count - Error <= the true count <= Count for each key that has a counter;
//   - Error <= N/m, which no key without a counter has occurred more often than;
//   - so each key that occurred more than N/m times has a counter.
//
// All of it is true of any stream, also of one that is made to deceive.
package spacesaving

// Summary has the counters. It is not safe for concurrent use.
type Summary[T any] struct {
	size  int
	total float64
	byKey map[uint64]*Counter[T]
	heap  []*Counter[T] // none counts less than its parent, which is at (i-1)/2
}

// Counter is one key's.
type Counter[T any] struct {
	// Count is how often the key occurred, at most; Error is by how much that may be
	// too much.
	Count, Error float64
	// Value is the caller's.
	Value T

	key uint64
	at  int // in the heap
}

// New returns a summary of size counters, of at least 1. They are made as keys come.
func New[T any](size int) *Summary[T] {
	return &Summary[T]{size: size, byKey: map[uint64]*Counter[T]{}}
}

// Add counts an occurrence of key, and returns its counter and whether that is new to
// it: then Value is that of the key that had it before.
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

// Scale multiplies all counts by factor, at most 1, so that what is long ago counts
// less. What is stated of the counts then is so of the scaled ones.
func (s *Summary[T]) Scale(factor float64) {
	s.total *= factor
	for _, c := range s.heap {
		c.Count *= factor
		c.Error *= factor
	}
}

// Total is how many occurrences there were.
func (s *Summary[T]) Total() float64 { return s.total }

// Counters has the counters in no order. They are not to be changed but for Value.
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
