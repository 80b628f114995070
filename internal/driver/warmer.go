package driver

import (
	"context"
	"errors"
	"sync"
	"time"
)

// warmTimeout is how long making a connection may take. Both clients give up earlier by
// themselves.
const warmTimeout = 5 * time.Second

// Nothing is a script that does nothing, and needs no permission that other scripts do not.
const Nothing = "return {0}"

// Warmer makes connections for runs that have too little time to make one.
//
// When the context of a run ends, the connection that was being made for the run is lost. So
// if making a connection takes longer than any run has time for (over TLS, to a distant
// server, on a busy machine), there would never be a connection, though a run on one would
// be in time. Therefore, after a run that ran out of time, a script that does nothing is run
// on behalf of no caller, with enough time and one at a time, and its connection is left to
// other runs.
//
// The zero Warmer is ready for use, and a nil one does nothing.
type Warmer struct {
	mu     sync.Mutex
	cancel context.CancelFunc // of the call of connect under way; nil if none is
	closed bool
}

// After receives the error of a run. If the run ran out of time, After calls connect in the
// background, as Go does. connect should run a script where that run went; it may panic.
func (w *Warmer) After(err error, connect func(ctx context.Context)) {
	if errors.Is(err, context.DeadlineExceeded) {
		w.Go(connect)
	}
}

// Go calls connect in the background, unless another call is under way.
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

// Close ends the call that is under way, and lets none begin any more.
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
