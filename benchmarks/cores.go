package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// betweenCores measures how long it takes until one core sees what another has written. It
// returns 0 if that cannot be measured, as on one core. The time can change a lot during a
// run, because the cores of a virtual machine may be moved.
func betweenCores() time.Duration {
	const hops, tries = 2000, 9
	if runtime.GOMAXPROCS(0) < 2 {
		return 0
	}
	var best time.Duration
	for range tries {
		took, ok := bounce(hops)
		if ok && (best == 0 || took < best) {
			best = took
		}
	}
	return best / hops
}

// bounce lets two threads write in turn, hops times in all. It is false if that takes too
// long, because then the threads are not on two cores.
func bounce(hops int64) (time.Duration, bool) {
	var ball atomic.Int64
	const gaveUp = -1
	begin := time.Now()
	// play waits for every second number, from odd on, and writes the number after it.
	play := func(odd int64) bool {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for at := odd; at < hops; at += 2 {
			for spins := 0; ball.Load() != at; spins++ {
				if ball.Load() == gaveUp || spins%4096 == 4095 && time.Since(begin) > 20*time.Millisecond {
					ball.Store(gaveUp)
					return false
				}
			}
			ball.Store(at + 1)
		}
		return true
	}
	other := make(chan bool)
	go func() { other <- play(1) }()
	ok := play(0)
	return time.Since(begin), <-other && ok
}

// rangeText returns the least and the greatest of the known times, or "".
func rangeText(times []time.Duration) string {
	known := slices.DeleteFunc(slices.Clone(times), func(d time.Duration) bool { return d == 0 })
	if len(known) == 0 {
		return ""
	}
	least, most := slices.Min(known).Nanoseconds(), slices.Max(known).Nanoseconds()
	if least == most {
		return fmt.Sprintf("%d ns", least)
	}
	return fmt.Sprintf("%d to %d ns", least, most)
}
