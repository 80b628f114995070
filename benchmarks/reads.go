package main

import (
	"runtime"
	"runtime/debug"
	"time"
)

// To look up a key, Redis reads memory six times: a bucket and an entry in each of its two
// tables (of keys and of their expiry times), the key, and its value. If it has not used
// the key lately, none of this is in the processor's caches.
const (
	coldReads = 6
	// keyBytes is about how much memory Redis uses for an identity.
	keyBytes = 200
)

// readOf measures how long a random read takes in size bytes of memory, when each read has
// to wait for the one before. If size is small, the reads come from the processor's
// caches.
func readOf(size int) time.Duration {
	const (
		line          = 64 / 8 // a cache line, in words
		reads, passes = 1 << 20, 3
	)
	lines := uint64(1)
	for lines*64 < uint64(size) {
		lines *= 2
	}
	memory := make([]uint64, lines*line)
	for i := range memory {
		memory[i] = 1 // pages that were never written would all be one page of zeros
	}
	var best time.Duration
	at := uint64(0)
	for range passes {
		begin := time.Now()
		for range reads {
			// This generator visits every line once before it visits any again, in an
			// order that no processor predicts. The next line depends on what is read.
			at = at*6364136223846793005 + memory[at%lines*line]
		}
		if took := time.Since(begin); best == 0 || took < best {
			best = took
		}
	}
	runtime.KeepAlive(at) // so that the compiler keeps the reads
	memory = nil
	debug.FreeOSMemory()
	return best / reads
}
