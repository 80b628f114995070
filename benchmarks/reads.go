package main

import (
	"runtime"
	"runtime/debug"
	"time"
)

// A key takes Redis six reads of memory that it has not seen lately: of each of its two
// tables, of keys and of their ends, a bucket and an entry; the key; its value.
const (
	coldReads = 6
	// keyBytes is about what Redis has of memory for an identity.
	keyBytes = 200
)

// readOf measures how long a read at random takes of so many bytes of memory, each of
// which waits for the one before. It is what is nearest at hand where they are few.
func readOf(size int) time.Duration {
	const (
		line          = 64 / 8 // words of what is fetched at once
		reads, passes = 1 << 20, 3
	)
	lines := uint64(1)
	for lines*64 < uint64(size) {
		lines *= 2
	}
	memory := make([]uint64, lines*line)
	for i := range memory {
		memory[i] = 1 // what was never written is in one place all of it
	}
	var best time.Duration
	at := uint64(0)
	for range passes {
		begin := time.Now()
		for range reads {
			// Each line comes once before any comes again, in an order that no processor
			// foresees; which is next depends on what is read.
			at = at*6364136223846793005 + memory[at%lines*line]
		}
		if took := time.Since(begin); best == 0 || took < best {
			best = took
		}
	}
	runtime.KeepAlive(at) // no read is left out
	memory = nil
	debug.FreeOSMemory()
	return best / reads
}
