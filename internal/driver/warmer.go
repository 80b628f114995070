package driver

import (
	"context"
	"errors"
	"sync"
	"time"
)

// warmTimeout is how long a connection may take to be made. Both clients give up
// earlier by themselves.
const warmTimeout = 5 * time.Second

// Nothing is a script that does nothing, and needs no right that others do not.
const Nothing = "return {0}"

// Warmer makes connections for runs that have too little time to make one.
//
// A run whose context ends takes along the connection that was being made for it.
// So where it takes longer to make a connection than any run has time for (over TLS,
// to somewhere far away, on a busy machine), there would never be one, though a run on
// it would be in time. Therefore, after a run that ran out of time, a script that does
// nothing is run for nobody, with enough time, one at a time; and its connection is left
// to others.
//
// The zero Warmer is ready for use, and a nil one does nothing.
type Warmer struct {
	mu     sync.Mutex
	cancel context.CancelFunc // of what is under way; nil if nothing is
	closed bool
}

// After is told of the error of a run. If the run ran out of time, connect is
// called, which is to run something like it; it may panic.
func (w *Warmer) After(err error, connect func(ctx context.Context)) {
	if errors.Is(err, context.DeadlineExceeded) {
		w.Go(connect)
	}
}

// Go has connect called, in the background, unless another one is under way.
func (w *Warmer) Go(connect func(ctx context.Context)) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.cancel != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), warmTimeout)
	w.cancel = cancel
	go func() {
		defer func() {
			_ = recover()
			cancel()
			w.mu.Lock()
			defer w.mu.Unlock()
			w.cancel = nil
		}()
		connect(ctx)
	}()
}

// Close ends what is under way, and has nothing begin any more.
func (w *Warmer) Close() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.cancel != nil {
		w.cancel()
	}
}
