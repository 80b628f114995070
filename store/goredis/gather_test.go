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
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

var countScript = store.NewScript("count", "return {redis.call('INCR', KEYS[1]), tonumber(ARGV[1])}")

// seen is a hook that notes what goes to the server, and does more if told to.
type seen struct {
	single, piped atomic.Int64
	most          atomic.Int64           // runs of one
	before        atomic.Pointer[func()] // each of them
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
		if n == 0 { // what sets up a connection
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

// hooked returns a store on a client whose script is loaded.
func hooked(t *testing.T) (*Store, *redis.Client, *seen, *redistest.Server) {
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	require.NoError(t, client.ScriptLoad(context.Background(), countScript.Source()).Err())
	h := &seen{}
	client.AddHook(h)
	return New(client), client, h, server
}

// full has the store believe that as many are in flight as may be, and have just begun.
// They land when the function that it returns is called.
func full(s *Store) (land func()) {
	s.gather.mu.Lock()
	defer s.gather.mu.Unlock()
	s.gather.flying += maxFlying
	s.gather.moved = time.Now().Add(time.Hour)
	return func() { landed(s, maxFlying) }
}

func landed(s *Store, flights int) {
	for range flights {
		s.gather.land()
	}
}

// awaitWaiting returns once so many runs wait.
func awaitWaiting(t *testing.T, s *Store, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		s.gather.mu.Lock()
		defer s.gather.mu.Unlock()
		return s.gather.waiting.Len() == n
	}, 10*time.Second, time.Millisecond)
}

// idle requires that nothing is in flight any more.
func idle(t *testing.T, s *Store) {
	t.Helper()
	require.Eventually(t, func() bool {
		s.gather.mu.Lock()
		defer s.gather.mu.Unlock()
		return s.gather.flying == 0 && s.gather.waiting.Len() == 0
	}, 10*time.Second, time.Millisecond)
}

// Runs that come while some are in flight go together, each is run once, and each
// caller gets the reply to its own.
func TestRunsGoTogether(t *testing.T) {
	const callers, runs = 64, 50
	s, _, h, _ := hooked(t)
	var all sync.WaitGroup
	var counts [callers*runs + 1]atomic.Int64
	for i := range int64(callers) {
		all.Go(func() {
			for j := range int64(runs) {
				reply, err := s.Run(context.Background(), countScript, []string{"n"}, []int64{i*runs + j})
				if err != nil || len(reply) != 2 || reply[1] != i*runs+j {
					t.Errorf("run %d of caller %d: %v, %v", j, i, reply, err)
					return
				}
				counts[reply[0]].Add(1)
			}
		})
	}
	all.Wait()
	for n := range counts[1:] {
		require.EqualValues(t, 1, counts[n+1].Load(), "count %d", n+1)
	}
	require.EqualValues(t, callers*runs, h.single.Load()+h.piped.Load())
	require.Positive(t, h.piped.Load())
	idle(t, s)
}

// Those that wait go in the order in which they came, as many at once as may.
func TestPipelineSize(t *testing.T) {
	s, _, h, _ := hooked(t)
	full(s)
	const size = 5 // EVALSHA, a digest, 1, a key and an argument
	var all sync.WaitGroup
	for i := range maxSize/size + 11 {
		all.Go(func() {
			reply, err := s.Run(context.Background(), countScript, []string{"n"}, []int64{0})
			if err != nil || reply[0] != int64(i+1) {
				t.Errorf("run %d: %v, %v", i, reply, err)
			}
		})
		awaitWaiting(t, s, i+1)
	}
	landed(s, 1) // so that one pipeline follows another
	all.Wait()
	landed(s, maxFlying-1)
	require.EqualValues(t, maxSize/size+1, h.most.Load())
	require.EqualValues(t, maxSize/size+11, h.piped.Load())
	idle(t, s)
}

// A run of several servers' client never waits for others'.
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

// Who waits leaves with the context, and is not sent then.
func TestWaitingRunLeaves(t *testing.T) {
	s, client, h, _ := hooked(t)
	limiters := func(parent context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
		d := new(deadline.Ends).Within(parent, timeout)
		return d, d.End
	}
	for name, c := range map[string]struct {
		make func() (context.Context, context.CancelFunc)
		want error
	}{
		"Timeout": {func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), 20*time.Millisecond)
		}, context.DeadlineExceeded},
		"Limiter": {func() (context.Context, context.CancelFunc) {
			return limiters(context.Background(), 20*time.Millisecond)
		}, context.DeadlineExceeded},
		"LimiterCancel": {func() (context.Context, context.CancelFunc) {
			parent, cancel := context.WithCancel(context.Background())
			time.AfterFunc(20*time.Millisecond, cancel)
			return limiters(parent, time.Hour)
		}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			land := full(s)
			ctx, cancel := c.make()
			defer cancel()
			_, err := s.Run(ctx, countScript, []string{"n"}, []int64{0})
			require.ErrorIs(t, err, c.want)
			awaitWaiting(t, s, 0)
			land()
			idle(t, s)
		})
	}
	require.ErrorIs(t, client.Get(context.Background(), "n").Err(), redis.Nil)
	require.Zero(t, h.piped.Load())
}

// Where none has landed for a while, who comes goes beside those in flight, with those
// that wait.
func TestSlowFlights(t *testing.T) {
	s, _, h, _ := hooked(t)
	errs := make(chan error, 2)
	run := func() {
		_, err := s.Run(context.Background(), countScript, []string{"n"}, []int64{0})
		errs <- err
	}
	land := full(s)
	go run()
	awaitWaiting(t, s, 1)
	s.gather.mu.Lock()
	s.gather.moved = time.Now().Add(-2 * slow)
	s.gather.mu.Unlock()
	run()
	require.NoError(t, <-errs)
	require.NoError(t, <-errs)
	require.EqualValues(t, 2, h.most.Load())
	land()
	idle(t, s)
}

// losing is a connection that loses what is written to it, once its network is down.
type losing struct {
	net.Conn
	*network
}

type network struct {
	down atomic.Bool
	lost atomic.Int64 // how often something was
}

func (c losing) Write(data []byte) (int, error) {
	if c.down.Load() {
		c.lost.Add(1)
		return len(data), nil
	}
	return c.Conn.Write(data)
}

// Connections that hang hold up nobody who can have another one.
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
	run := func() error {
		d := new(deadline.Ends).Within(context.Background(), long)
		defer d.End()
		_, err := s.Run(d, countScript, []string{"n"}, []int64{0})
		return err
	}
	require.NoError(t, run())

	first.down.Store(true)
	var hung sync.WaitGroup
	for range maxFlying {
		hung.Go(func() {
			if err := run(); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool { return first.lost.Load() == maxFlying }, long, time.Millisecond)
	current.Store(&network{}) // for new connections
	s.gather.mu.Lock()
	s.gather.moved = time.Now().Add(-2 * slow) // so long has none landed
	s.gather.mu.Unlock()
	start := time.Now()
	require.NoError(t, run())
	require.Less(t, time.Since(start), long/2)
	hung.Wait()
	idle(t, s)
}

// A member of a pipeline that hangs leaves when its context ends, though others of it
// have more time; and these get their replies.
func TestPipelineHangs(t *testing.T) {
	redistest.NotEmbedded(t)
	s, client, h, server := hooked(t)
	land := full(s)
	run := func(ctx context.Context) <-chan error {
		errs := make(chan error, 1)
		go func() {
			_, err := s.Run(ctx, countScript, []string{"n"}, []int64{7})
			errs <- err
		}()
		return errs
	}
	long, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	short, leave := context.WithCancel(context.Background())
	defer leave()
	stays := run(long)
	awaitWaiting(t, s, 1)
	leaves := run(short)
	awaitWaiting(t, s, 2)
	server.Pause()
	land()
	require.Eventually(t, func() bool { return h.piped.Load() == 2 }, 10*time.Second, time.Millisecond)
	leave()
	require.ErrorIs(t, <-leaves, context.Canceled)
	server.Resume()
	require.NoError(t, <-stays)
	idle(t, s)
	n, err := client.Get(context.Background(), "n").Int()
	require.NoError(t, err)
	require.Equal(t, 2, n, "each was run once")
}

// A pipeline ends when no member of it has any time left.
func TestPipelineEnds(t *testing.T) {
	redistest.NotEmbedded(t)
	s, _, h, server := hooked(t)
	land := full(s)
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i+1)*200*time.Millisecond)
			defer cancel()
			if _, err := s.Run(ctx, countScript, []string{"n"}, []int64{0}); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	awaitWaiting(t, s, 2)
	server.Pause()
	defer server.Resume()
	start := time.Now()
	land()
	all.Wait()
	idle(t, s)
	require.Less(t, time.Since(start), 2*time.Second, "the client's own ReadTimeout is 3 s")
	require.LessOrEqual(t, h.piped.Load(), int64(2))
}

// One fails alone, also where the server does not know its script.
func TestMemberFailsAlone(t *testing.T) {
	s, client, h, _ := hooked(t)
	require.NoError(t, client.Set(context.Background(), "text", "x", 0).Err())
	other := store.NewScript("other", "return {tonumber(ARGV[1]) + 1}")
	land := full(s)
	var all sync.WaitGroup
	run := func(script *store.Script, key string, check func([]int64, error) error) {
		all.Go(func() {
			if err := check(s.Run(context.Background(), script, []string{key}, []int64{41})); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 5 {
		run(countScript, fmt.Sprint("n", i), func(reply []int64, err error) error {
			if err != nil || len(reply) != 2 || reply[0] != 1 || reply[1] != 41 {
				return fmt.Errorf("reply %v, error %w", reply, err)
			}
			return nil
		})
	}
	run(countScript, "text", func(_ []int64, err error) error {
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
	awaitWaiting(t, s, 7)
	land()
	all.Wait()
	require.EqualValues(t, 7, h.most.Load())
	idle(t, s)
}

// A hook that panics or ends its goroutine has failed, no more: all flights land, those
// of pipelines and those of one command.
func TestHooksPanic(t *testing.T) {
	s, _, h, _ := hooked(t)
	run := func() error {
		_, err := s.Run(context.Background(), countScript, []string{"n"}, []int64{0})
		return err
	}
	for _, before := range []func(){func() { panic("on purpose") }, runtime.Goexit} {
		h.before.Store(&before)
		land := full(s)
		errs := make(chan error, 3)
		for range cap(errs) {
			go func() { errs <- run() }()
		}
		awaitWaiting(t, s, cap(errs))
		land()
		for range cap(errs) {
			require.Error(t, <-errs)
		}
		idle(t, s)

		var all sync.WaitGroup
		for range 2 * maxFlying {
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

// The context of a pipeline ends with the last of its members' deadlines.
func TestLastDeadline(t *testing.T) {
	now := time.Now()
	at := func(times ...time.Time) (time.Time, bool) {
		var all []*member
		for _, at := range times {
			all = append(all, &member{at: at})
		}
		ctx, cancel := last(all)
		defer cancel()
		return ctx.Deadline()
	}
	got, ok := at(now.Add(time.Second), now.Add(time.Hour), now.Add(time.Minute))
	require.True(t, ok)
	require.Equal(t, now.Add(time.Hour), got)
	_, ok = at(now.Add(time.Second), time.Time{})
	require.False(t, ok)
	_, ok = at(time.Time{}, now.Add(time.Second))
	require.False(t, ok)
}

// Whom a server refuses to connect, it refuses also in a pipeline.
func TestPipelineRefused(t *testing.T) {
	redistest.NotEmbedded(t)
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
	land := full(s)
	errs := make(chan error, 1)
	go func() {
		_, err := s.Run(context.Background(), countScript, []string{"n"}, []int64{0})
		errs <- err
	}()
	awaitWaiting(t, s, 1)
	land()
	refused(<-errs)

	runs := []store.Run{{Keys: []string{"n"}, Args: []int64{0}}, {Keys: []string{"n"}, Args: []int64{1}}}
	s.RunAll(context.Background(), countScript, runs)
	refused(runs[0].Err)
	refused(runs[1].Err)
}

// A Ring's pipeline is several: what one shard says is not the error of another's runs.
func TestRingRefused(t *testing.T) {
	redistest.NotEmbedded(t)
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
