package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// dialTimeout is the error of a dialer whose own timeout has passed. Like that of package
// net, it is context.DeadlineExceeded to errors.Is, although no caller's context has ended.
type dialTimeout struct{}

func (dialTimeout) Error() string        { return "i/o timeout" }
func (dialTimeout) Timeout() bool        { return true }
func (dialTimeout) Temporary() bool      { return true }
func (dialTimeout) Is(target error) bool { return target == context.DeadlineExceeded }

func dialFails(t testing.TB, h *subject) {
	if h.OpenDial == nil {
		t.Skip("Harness.OpenDial is nil: set it to test what a Store says when it cannot connect")
	}
	w := &wire{}
	s, key := h.OpenDial(t, w.dial), []string{newKeyspace().key("n")}
	run(t, s, incr, key)
	w.fail(func(_ context.Context, network, _ string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: dialTimeout{}}
	})
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		reply, err := s.Run(ctx, incr, key, nil)
		deadline, _ := ctx.Deadline()
		ended := !time.Now().Before(deadline) // Run may have waited for the network to come back
		cancel()
		switch server := (*store.ServerError)(nil); {
		case err == nil:
			differ(t, fmt.Sprintf("%v and no error", reply), "an error", "Run of a Store whose client could not connect")
		case !ended && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)):
			differ(t, fmt.Sprintf("%v (%T)", err, err), "an error that wraps none of package context",
				"Run whose context had not ended, of a Store whose client could not connect in the client's own time")
		case errors.As(err, &server) || errors.Is(err, store.ErrReply):
			differ(t, fmt.Sprintf("%v (%T)", err, err), "an error that wraps neither a *store.ServerError nor ErrReply", "Run of a Store whose client could not connect")
		}
	}
	w.fail(nil)
	recovers(t, s, key)
}

// recovers waits until a Store has connected again.
func recovers(t testing.TB, s store.Store, key []string) {
	t.Helper()
	eventually(t, "Run after the network is whole again", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := s.Run(ctx, incr, key, nil)
		return err
	})
}

func promptDial(t testing.TB, h *subject) {
	if h.OpenDial == nil {
		t.Skip("Harness.OpenDial is nil: set it to test that a Store is prompt while it connects")
	}
	w := &wire{}
	s, key := h.OpenDial(t, w.dial), []string{newKeyspace().key("n")}
	if p, ok := s.(store.Prompt); !ok || !p.Prompt() {
		t.Skip("the Store makes no promise to be prompt: implement store.Prompt if it is")
	}
	run(t, s, incr, key)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connections are made, but nobody answers on them
	if err != nil {
		t.Skipf("no listener for a server that says nothing: %v", err)
	}
	defer func() { _ = silent.Close() }()
	for what, dial := range map[string]func(ctx context.Context, end <-chan struct{}) (net.Conn, error){
		"a dial that hangs": func(ctx context.Context, end <-chan struct{}) (net.Conn, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-end:
				return nil, errors.New("it hung")
			}
		},
		"a server that says nothing": func(ctx context.Context, _ <-chan struct{}) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", silent.Addr().String())
		},
	} {
		const hangs = 3 * time.Second
		end := make(chan struct{})
		timer := time.AfterFunc(hangs, func() {
			close(end)
			w.fail(nil)
		})
		w.fail(func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, end) })
		late := complain(t)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 3 {
					ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
					_, err := s.Run(ctx, incr, key, nil)
					cancel()
					select {
					case <-end:
						late.Errorf("Run with a deadline in 100 ms, before which there is %s for %v\n  got:  %v, when that was over\n  want: an error, before that", what, hangs, err)
						return
					default:
					}
				}
			})
		}
		wg.Wait()
		if timer.Stop() {
			close(end)
			w.fail(nil)
		}
		recovers(t, s, key)
	}
}
