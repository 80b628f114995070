package main

import (
	"math"
	"math/bits"
	"time"
)

// histogram counts durations by size. Buckets are one nanosecond wide up to
// 64 ns, and from there a 32nd of a power of two: so a quantile, given as the
// middle of its bucket, is within 1.6 % of the exact one.
type histogram struct {
	counts [buckets]int64
	total  int64
}

// recorder counts what one goroutine measures, for a histogram: recording neither
// allocates nor locks. It is small, since it is in the caches beside what is measured,
// which takes a microsecond at times; a bucket has room for a minute of all that one
// goroutine can.
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

// add adds what was recorded.
func (h *histogram) add(r *recorder) {
	for i, n := range r {
		h.counts[i] += int64(n)
		h.total += int64(n)
	}
}

// quantile returns the duration below or at which a share q of all is, from above 0
// to 1, by the nearest rank. It is 0 if nothing was recorded.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(math.Ceil(q * float64(h.total)))
	for i, n := range h.counts {
		if rank -= n; rank <= 0 && n > 0 {
			return middle(i)
		}
	}
	return 0
}
