package drivertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// contexts: a context that has ended, or ends while the server hangs, ends a Run with the
// context's own error.
func contexts(t *testing.T, d Driver) {
	server := redistest.Start(t)
	each(t, d, server.Addr(), func(t *testing.T, s store.Store) {
		key := []string{t.Name()}
		run(t, s, incr, key)

		before, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := s.Run(before, incr, key, nil)
		require.ErrorIs(t, err, context.Canceled)
		past, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
		defer cancel()
		_, err = s.Run(past, incr, key, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []int64{2}, run(t, s, incr, key), "a run whose context had ended was sent")

		server.Pause()
		during, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_, err = s.Run(during, incr, key, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, context.Canceled)

		// Clients notice cancellation while they wait for a connection, but not all of them
		// do while they wait for a reply. So there is a deadline, too.
		canceled, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
		timer := time.AfterFunc(50*time.Millisecond, cancel)
		defer timer.Stop()
		_, err = s.Run(canceled, incr, key, nil)
		require.ErrorIs(t, err, context.Canceled)

		// Many at once.
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				if _, err := s.Run(ctx, incr, key, nil); !errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
					t.Errorf("not a deadline: %v", err)
				}
			})
		}
		wg.Wait()
		server.Resume()
		eventually(t, func() error {
			_, err := s.Run(context.Background(), incr, key, nil)
			return err
		})
	})
}

// foreignTimeout: a timeout of the client is not reported as the end of the caller's
// context.
func foreignTimeout(t *testing.T, d Driver) {
	server := redistest.Start(t)
	s := open1(t, d, server.URL())
	server.Pause()
	defer server.Resume()
	ctx, cancel := context.WithTimeout(context.Background(), 10*d.IOTimeout)
	defer cancel()
	start := time.Now()
	_, err := s.Run(ctx, incr, []string{"k"}, nil)
	require.Error(t, err)
	require.NoError(t, ctx.Err())
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(start), 2*d.IOTimeout)
}

// refused: a server that is not there gives an error at once, and not that of a context.
func refused(t *testing.T, d Driver) {
	server := redistest.Start(t)
	s := open1(t, d, server.URL())
	server.Kill()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			start := time.Now()
			_, err := s.Run(context.Background(), incr, []string{"k"}, nil)
			opErr := (*net.OpError)(nil)
			if !errors.As(err, &opErr) || time.Since(start) > d.IOTimeout/2 {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		})
	}
	wg.Wait()
	server.Restart()
	eventually(t, func() error {
		_, err := s.Run(context.Background(), incr, []string{"k"}, nil)
		return err
	})
}

// restart: once the server is back, the store works again.
func restart(t *testing.T, d Driver) {
	server := redistest.Start(t)
	each(t, d, server.Addr(), func(t *testing.T, s store.Store) {
		key := []string{t.Name()}
		var wg sync.WaitGroup
		for range 10 { // open some connections
			wg.Go(func() { _, _ = s.Run(context.Background(), incr, key, nil) })
		}
		wg.Wait()
		server.Restart()
		eventually(t, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := s.Run(ctx, incr, key, nil)
			return err
		})
		eventually(t, func() error { // on all connections that there are
			for range 50 {
				if _, err := s.Run(context.Background(), incr, key, nil); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// closed: if the server has closed connections while they were idle, each run is still run,
// and only once.
func closed(t *testing.T, d Driver) {
	authority := redistest.NewAuthority(t)
	plain := redistest.Start(t)
	secured, url := redistest.StartTLS(t, authority, authority.Issue(t), "--tls-auth-clients", "no")
	for name, c := range map[string]struct {
		server *redistest.Server
		url    string
		open   func(*driver.Options)
	}{
		"TCP": {plain, plain.URL(), func(*driver.Options) {}},
		"TLS": {secured, url, func(o *driver.Options) { o.TLSConfig = authority.Config() }},
	} {
		t.Run(name, func(t *testing.T) {
			s := open1(t, d, c.url, c.open)
			want := int64(0)
			// closes makes the server close the connections, after some have been opened.
			closes := func() {
				var all sync.WaitGroup
				for range 4 {
					all.Go(func() {
						for range 50 {
							run(t, s, incr, []string{"warm"})
						}
					})
				}
				all.Wait()
				c.server.MustDo(t, "CLIENT", "KILL", "TYPE", "normal")
				at := time.Now()
				eventually(t, func() error {
					list, ok := c.server.MustDo(t, "CLIENT", "LIST", "TYPE", "normal").(string)
					if clients := strings.Count(list, "\n"); !ok || clients > 1 { // the one that asks
						return fmt.Errorf("%d clients are there", clients)
					}
					if idle := time.Since(at); idle < 20*time.Millisecond {
						return fmt.Errorf("idle for %v only", idle)
					}
					return nil
				})
			}
			closes()
			for range 8 {
				want++
				require.Equal(t, []int64{want}, run(t, s, incr, []string{"k"}))
			}
			closes()
			runs := make([]store.Run, 8)
			for i := range runs {
				runs[i].Keys = []string{"k"}
			}
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			s.(store.Pipelined).RunAll(ctx, incr, runs)
			for _, r := range runs {
				want++
				require.NoError(t, r.Err)
			}
			require.Equal(t, strconv.FormatInt(want, 10), c.server.MustDo(t, "GET", "k"))
		})
	}
}

// atMostOnce: the script of a Run whose reply does not come in time is run once,
// if at all, whether the server comes back before the client gives up or after.
func atMostOnce(t *testing.T, d Driver) {
	const runs = 5
	server := redistest.Start(t)
	s := open1(t, d, server.URL())
	var warm sync.WaitGroup
	for range runs {
		warm.Go(func() { run(t, s, incr, []string{"warm"}) })
	}
	warm.Wait()

	// attempt starts runs on a server that is paused for pause. It returns how many of them
	// succeeded and how many executions there were.
	attempt := func(name string, pause time.Duration, timeout time.Duration) (succeeded, executed int) {
		server.Pause()
		var wg sync.WaitGroup
		errs := make(chan error, runs)
		for range runs {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), timeout)
				defer cancel()
				_, err := s.Run(ctx, incr, []string{name}, nil)
				if end, _ := ctx.Deadline(); time.Now().Before(end) && errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a foreign timeout: %v", err)
				}
				errs <- err
			})
		}
		resume := time.AfterFunc(pause, server.Resume)
		defer resume.Stop()
		wg.Wait()
		close(errs)
		for err := range errs {
			if err == nil {
				succeeded++
			}
		}
		if pause > timeout {
			server.Resume()
		}
		// Once there is a reply, the server has also run what was sent before.
		eventually(t, func() error {
			_, err := s.Run(context.Background(), incr, []string{"after"}, nil)
			return err
		})
		reply, err := server.Do("GET", name)
		require.NoError(t, err)
		if text, ok := reply.(string); ok {
			executed, err = strconv.Atoi(text)
			require.NoError(t, err)
		}
		return succeeded, executed
	}
	const long = time.Hour

	succeeded, executed := attempt("shorter", 300*time.Millisecond, long)
	require.Equal(t, [2]int{runs, runs}, [2]int{succeeded, executed})

	for _, test := range []struct {
		name           string
		pause, timeout time.Duration
	}{
		{"context", long, 200 * time.Millisecond},
		{"longer", d.IOTimeout + 1500*time.Millisecond, long},
	} {
		succeeded, executed = attempt(test.name, test.pause, test.timeout)
		require.LessOrEqual(t, succeeded, executed, test.name)
		require.LessOrEqual(t, executed, runs, test.name)
		t.Logf("%s: %d of %d runs succeeded, %d were executed", test.name, succeeded, runs, executed)
	}
}
