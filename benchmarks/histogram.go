package main

import (
	"math"
	"math/bits"
	"time"
)

// histogram counts durations by size. Buckets are one nanosecond wide up to 64 ns. Above
// that, each power of two has 32 of them, so a quantile, which is the middle of its
// bucket, is within 1.6 % of the exact one.
type histogram struct {
	counts [buckets]int64
	total  int64
}

// recorder counts what one goroutine measures, for a histogram. Recording neither
// allocates nor locks. A recorder is small, because it shares the caches with the measured
// code, which may take only a microsecond. A bucket has room for everything that one
// goroutine can do in a minute.
type recorder [buckets]uint32

const (
	subBits = 5
	// The last bucket ends at 2^42 ns, above an hour.
	maxBits = 42
	buckets = (maxBits - subBits + 1) << subBits
	longest = 1<<maxBits - 1
)

// record counts a duration n times.
func (r *recorder) record(d time.Duration, n int64) { r[bucket(d)] += uint32(n) }

// bucket returns the index for d: the exponent, followed by the subBits bits below
// the first one.
func bucket(d time.Duration) int {
	v := uint64(min(max(d, 0), longest))
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// middle returns the middle of the durations that a bucket counts.
func middle(bucket int) time.Duration {
	shift := max(bucket>>subBits-1, 0)
	low := uint64(bucket-shift<<subBits) << shift
	return time.Duration(low + (1<<shift)/2)
}

// add adds everything that r has recorded.
func (h *histogram) add(r *recorder) {
	for i, n := range r {
		h.counts[i] += int64(n)
		h.total += int64(n)
	}
}

// quantile returns the duration that a share q of all durations does not exceed, by the
// nearest rank. q is above 0 and at most 1. The result is 0 if nothing was recorded.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(math.Ceil(q * float64(h.total)))
	for i, n := range h.counts {
		if rank -= n; rank <= 0 && n > 0 {
			return middle(i)
		}
	}
	return 0
}
