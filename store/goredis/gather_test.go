package goredis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver/drivertest"
	"github.com/distributed-rate-limiter/ratelimit/internal/flights"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// seen is a hook that counts the runs that go to the server, by single commands and in
// pipelines.
type seen struct {
	single, piped atomic.Int64
	most          atomic.Int64           // the most runs in one pipeline
	before        atomic.Pointer[func()] // called before each command or pipeline, if not nil
}

func (h *seen) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *seen) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		n := runsOf(cmd)
		if before := h.before.Load(); before != nil && n > 0 {
			(*before)()
		}
		h.single.Add(n)
		return next(ctx, cmd)
	}
}

func (h *seen) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		n := runsOf(cmds...)
		if n == 0 { // these commands set up a connection
			return next(ctx, cmds)
		}
		if before := h.before.Load(); before != nil {
			(*before)()
		}
		h.piped.Add(n)
		h.most.Store(max(h.most.Load(), n))
		return next(ctx, cmds)
	}
}

// runsOf returns how many of cmds run a script.
func runsOf(cmds ...redis.Cmder) (n int64) {
	for _, cmd := range cmds {
		if cmd.Name() == "evalsha" || cmd.Name() == "eval" {
			n++
		}
	}
	return n
}

// hooked returns a Store on a client with a seen hook, whose server has the script loaded.
func hooked(t *testing.T) (*Store, *redis.Client, *seen, *redistest.Server) {
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	require.NoError(t, client.ScriptLoad(context.Background(), drivertest.Count.Source()).Err())
	h := &seen{}
	client.AddHook(h)
	return New(client), client, h, server
}

// full puts as many runs in flight as there may be before others wait. They stay there until
// land is called.
func full(t *testing.T, s *Store) (land func()) {
	t.Helper()
	return drivertest.Busy(t, &s.gather.Flights, flights.Few)
}

// counts returns once there are just so many flights, and so many runs that wait.
func counts(t *testing.T, s *Store, flying, waiting int) {
	t.Helper()
	drivertest.AwaitFlights(t, &s.gather.Flights, flying, waiting)
}

// idle returns once nothing is in flight any more.
func idle(t *testing.T, s *Store) {
	t.Helper()
	counts(t, s, 0, 0)
}

// Runs that come while some are in flight go together. Each is run once, and each caller gets
// the reply to its own run.
func TestRunsGoTogether(t *testing.T) {
	s, _, h, _ := hooked(t)
	runs := drivertest.GoTogether(t, s)
	require.EqualValues(t, runs, h.single.Load()+h.piped.Load())
	require.Positive(t, h.piped.Load())
	idle(t, s)
}

// With a client of several servers, no run waits for others, whose server might hang. So only a
// client of one server has a gather.
func TestGatherIsForOneServer(t *testing.T) {
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	defer func() { require.NoError(t, cluster.Close()) }()
	require.Nil(t, New(cluster).gather)
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer func() { require.NoError(t, ring.Close()) }()
	require.Nil(t, New(ring).gather)
	opened, err := Open("redis://127.0.0.1:1")
	require.NoError(t, err)
	defer func() { require.NoError(t, opened.Close()) }()
	require.NotNil(t, opened.gather)
}

// A run that waits returns when its context is cancelled, and is then not sent.
func TestWaitingRunLeaves(t *testing.T) {
	s, client, h, _ := hooked(t)
	land := full(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error)
	go func() {
		_, err := s.Run(ctx, drivertest.Count, []string{"n"}, []int64{0})
		errs <- err
	}()
	counts(t, s, flights.Few, 1)
	cancel()
	require.ErrorIs(t, <-errs, context.Canceled)
	land()
	idle(t, s)
	require.ErrorIs(t, client.Get(context.Background(), "n").Err(), redis.Nil)
	require.Zero(t, h.piped.Load())
}

// losing is a connection that loses what is written to it, once its network is down.
type losing struct {
	net.Conn
	*network
}

type network struct {
	down atomic.Bool
	lost atomic.Int64 // how many writes were lost
}

func (c losing) Write(data []byte) (int, error) {
	if c.down.Load() {
		c.lost.Add(1)
		return len(data), nil
	}
	return c.Conn.Write(data)
}

// Connections that hang hold up no run that can use another one. Here the first few lose what
// is written to them, while their callers still wait; later ones work.
func TestHungConnections(t *testing.T) {
	const long = 3 * time.Second
	var current atomic.Pointer[network]
	first := &network{}
	current.Store(first)
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{
		Addr: server.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1,
		Dialer: func(ctx context.Context, kind, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, kind, addr)
			return losing{conn, current.Load()}, err
		},
	})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	s := New(client)
	run := func(timeout time.Duration) error {
		d := new(deadline.Ends).Within(context.Background(), timeout)
		defer d.End()
		_, err := s.Run(d, drivertest.Count, []string{"n"}, []int64{0})
		return err
	}
	require.NoError(t, run(long))

	first.down.Store(true)
	var hung sync.WaitGroup
	for range flights.Few {
		hung.Go(func() {
			if err := run(long); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool { return first.lost.Load() == flights.Few }, long, time.Millisecond)
	current.Store(&network{}) // for new connections
	require.Eventually(t, func() bool { return run(long/100) == nil }, long/2, time.Millisecond)
	hung.Wait()
	idle(t, s)
}

// When the server hangs, a run in a pipeline returns when its context ends, although others in
// the pipeline have more time. Those get their replies.
func TestPipelineHangs(t *testing.T) {
	s, _, h, server := hooked(t)
	drivertest.HungFlight(t, s, &s.gather.Flights, server)
	require.EqualValues(t, 2, h.piped.Load())
}

// A pipeline ends when no run in it has any time left.
func TestPipelineEnds(t *testing.T) {
	s, _, h, server := hooked(t)
	land := full(t, s)
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i+1)*200*time.Millisecond)
			defer cancel()
			if _, err := s.Run(ctx, drivertest.Count, []string{"n"}, []int64{0}); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	counts(t, s, flights.Few, 2)
	server.Pause()
	defer server.Resume()
	start := time.Now()
	land()
	all.Wait()
	idle(t, s)
	require.Less(t, time.Since(start), 2*time.Second, "the client's own ReadTimeout is 3 s")
	require.LessOrEqual(t, h.piped.Load(), int64(2))
}

// If a run in a pipeline fails, the others do not. A run whose script the server does not have
// is run all the same.
func TestMemberFailsAlone(t *testing.T) {
	s, client, h, _ := hooked(t)
	require.NoError(t, client.Set(context.Background(), "text", "x", 0).Err())
	other := store.NewScript("other", "return {tonumber(ARGV[1]) + 1}")
	land := full(t, s)
	var all sync.WaitGroup
	run := func(script *store.Script, key string, check func([]int64, error) error) {
		all.Go(func() {
			if err := check(s.Run(context.Background(), script, []string{key}, []int64{41})); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 5 {
		run(drivertest.Count, fmt.Sprint("n", i), func(reply []int64, err error) error {
			if err != nil || len(reply) != 2 || reply[0] != 1 || reply[1] != 41 {
				return fmt.Errorf("reply %v, error %w", reply, err)
			}
			return nil
		})
	}
	run(drivertest.Count, "text", func(_ []int64, err error) error {
		if server := (*store.ServerError)(nil); !errors.As(err, &server) {
			return fmt.Errorf("%w is no error of the server", err)
		}
		return nil
	})
	run(other, "n", func(reply []int64, err error) error {
		if err != nil || len(reply) != 1 || reply[0] != 42 {
			return fmt.Errorf("reply %v, error %w", reply, err)
		}
		return nil
	})
	counts(t, s, flights.Few, 7)
	land()
	all.Wait()
	require.EqualValues(t, 7, h.most.Load())
	idle(t, s)
}

// If a hook panics or ends its goroutine, its runs fail, and all flights land, whether they are
// of a pipeline or of a single command.
func TestHooksPanic(t *testing.T) {
	s, _, h, _ := hooked(t)
	run := func() error {
		_, err := s.Run(context.Background(), drivertest.Count, []string{"n"}, []int64{0})
		return err
	}
	for _, before := range []func(){func() { panic("on purpose") }, runtime.Goexit} {
		h.before.Store(&before)
		land := full(t, s)
		errs := make(chan error, 3)
		for range cap(errs) {
			go func() { errs <- run() }()
		}
		counts(t, s, flights.Few, cap(errs))
		land()
		for range cap(errs) {
			require.Regexp(t, "^goredis: the client ", (<-errs).Error())
		}
		idle(t, s)

		var all sync.WaitGroup
		for range 2 * flights.Few {
			all.Go(func() {
				defer func() { _ = recover() }() // as a limiter does
				_ = run()
			})
			all.Wait()
		}
		idle(t, s)
		h.before.Store(nil)
		require.NoError(t, run())
	}
}

// If a server refuses a connection, each run of a pipeline gets that error, although go-redis
// gives it to no command.
func TestPipelineRefused(t *testing.T) {
	redistest.Needs(t, 6, 0)
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "nobody", Password: "wrong"})
	defer func() { require.NoError(t, client.Close()) }()
	s := New(client)
	refused := func(err error) {
		t.Helper()
		reply := (*store.ServerError)(nil)
		require.ErrorAs(t, err, &reply)
		require.Equal(t, "WRONGPASS", reply.Prefix())
	}
	land := full(t, s)
	errs := make(chan error, 1)
	go func() {
		_, err := s.Run(context.Background(), drivertest.Count, []string{"n"}, []int64{0})
		errs <- err
	}()
	counts(t, s, flights.Few, 1)
	land()
	refused(<-errs)

	runs := []store.Run{{Keys: []string{"n"}, Args: []int64{0}}, {Keys: []string{"n"}, Args: []int64{1}}}
	s.RunAll(context.Background(), drivertest.Count, runs)
	refused(runs[0].Err)
	refused(runs[1].Err)
}

// A Ring splits a pipeline by shards, so the error reply of one shard must not become that of
// another shard's runs.
func TestRingRefused(t *testing.T) {
	redistest.Needs(t, 6, 0)
	shut, open := redistest.Start(t), redistest.Start(t)
	ring := redis.NewRing(&redis.RingOptions{
		Addrs: map[string]string{"shut": shut.Addr(), "open": open.Addr()},
		NewClient: func(o *redis.Options) *redis.Client {
			if o.Addr == shut.Addr() {
				o.Username, o.Password = "nobody", "wrong"
			}
			return redis.NewClient(o)
		},
	})
	defer func() { require.NoError(t, ring.Close()) }()
	s := New(ring)
	script := store.NewScript("fails", "return redis.error_reply('ERR on purpose')")
	runs := make([]store.Run, 30)
	refused := make([]bool, len(runs))
	some := 0
	for i := range runs {
		runs[i].Keys = []string{fmt.Sprint("k", i)}
		_, err := s.Run(context.Background(), script, runs[i].Keys, nil)
		reply := (*store.ServerError)(nil)
		require.ErrorAs(t, err, &reply)
		if refused[i] = reply.Prefix() == "WRONGPASS"; refused[i] {
			some++
		}
	}
	require.Positive(t, some)
	require.Less(t, some, len(runs))
	s.RunAll(context.Background(), script, runs)
	for i, r := range runs {
		if refused[i] {
			require.ErrorIs(t, r.Err, errNotRun)
		} else {
			require.ErrorContains(t, r.Err, "on purpose")
		}
	}
}
