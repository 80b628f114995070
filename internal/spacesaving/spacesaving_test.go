package spacesaving

import (
	"testing"

	"pgregory.net/rapid"
)

// TestGuarantee checks that what the package documentation states holds for any stream, at any
// time, even if counts are halved in between.
func TestGuarantee(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 8).Draw(t, "size")
		s := New[uint64](size)
		truth, total := map[uint64]float64{}, 0.0
		stream := rapid.SliceOfN(rapid.Uint64Range(0, 20), 1, 300).Draw(t, "stream")
		for i, key := range stream {
			if key == 0 { // not a key: halve the counts
				s.Scale(0.5)
				total /= 2
				for k := range truth {
					truth[k] /= 2
				}
				continue
			}
			total++
			truth[key]++
			c, fresh := s.Add(key)
			if fresh {
				c.Value = key
			}
			if c.Value != key {
				t.Fatalf("%d of %v: the counter of %d is that of %d", i, stream, key, c.Value)
			}
			hold(t, s, size, truth, total)
		}
	})
}

// hold compares the counters with the true counts. Both are sums of powers of two, and so
// exact as long as the bits of a sum are less than 53 places apart; rounding is for streams
// with more halvings than that.
func hold(t *rapid.T, s *Summary[uint64], size int, truth map[uint64]float64, total float64) {
	const rounding = 1e-12
	if s.Total() != total {
		t.Fatalf("total is %v, of %v", s.Total(), total)
	}
	if len(s.Counters()) > size {
		t.Fatalf("%d counters of %d", len(s.Counters()), size)
	}
	counted := map[uint64]bool{}
	for i, c := range s.Counters() {
		if counted[c.Value] {
			t.Fatalf("two counters of %d", c.Value)
		}
		counted[c.Value] = true
		if c.Count+rounding < truth[c.Value] || truth[c.Value] < c.Count-c.Error-rounding {
			t.Fatalf("%d occurred %v times: counted %v, error %v", c.Value, truth[c.Value], c.Count, c.Error)
		}
		if c.Error > total/float64(size)+rounding {
			t.Fatalf("error %v is above %v/%d", c.Error, total, size)
		}
		if parent := s.Counters()[max(0, i-1)/2]; parent.Count > c.Count {
			t.Fatalf("a counter of %v below one of %v", c.Count, parent.Count)
		}
	}
	for key, n := range truth {
		if !counted[key] && n > total/float64(size)+rounding {
			t.Fatalf("%d occurred %v of %v times and has no counter", key, n, total)
		}
	}
}

// BenchmarkAdd measures keys that have a counter, and keys that never do.
func BenchmarkAdd(b *testing.B) {
	for _, bench := range []struct {
		name string
		keys uint64
	}{{"Found", 500}, {"TakesOver", 1 << 40}} {
		b.Run(bench.name, func(b *testing.B) {
			s := New[struct{}](1000)
			key := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				key++
				s.Add(key % bench.keys * 0x9e3779b97f4a7c15)
			}
		})
	}
}
