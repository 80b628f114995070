package ratelimit

import (
	"sync/atomic"

	"github.com/distributed-rate-limiter/ratelimit/internal/hashslot"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// partitions tells which keys of a limiter may be in one run: those of one
// partition, or any.
type partitions struct {
	// of returns the partition of a key. It is nil where any keys may be in one run.
	of atomic.Pointer[func(key string) (uint64, bool)]
	// span is nil where a run must keep to one partition.
	span store.Spanning
}

func newPartitions(s store.Store, k *keyring) *partitions {
	ps := &partitions{}
	if p, ok := s.(store.Partitioned); ok && !together(p, k) {
		of := p.Partition
		ps.of.Store(&of)
		ps.span, _ = s.(store.Spanning)
	}
	return ps
}

// together reports whether all keys of k may be in one run: either keys are not partitioned,
// or all are in one partition, like those of a namespace in braces.
func together(p store.Partitioned, k *keyring) bool {
	found := map[uint64]bool{}
	for i := range 64 {
		partition, ok := p.Partition(k.key(&sum{byte(i)}))
		if !ok {
			return true
		}
		found[partition] = true
	}
	return len(found) == 1
}

// exist reports whether keys are partitioned.
func (ps *partitions) exist() bool { return ps.of.Load() != nil }

// find returns the partition of key, or 0 where keys are not partitioned.
func (ps *partitions) find(key string) uint64 {
	of := ps.of.Load()
	if of == nil {
		return 0
	}
	partition, _ := (*of)(key)
	return partition
}

// bySlot returns the partition of a key on servers that are a Cluster although the store does
// not know it.
var bySlot = func(key string) (uint64, bool) { return hashslot.Partition(key), true }

// learn notes that keys are partitioned by hash slot after all. It reports whether that is
// news.
func (ps *partitions) learn() bool { return ps.of.CompareAndSwap(nil, &bySlot) }
