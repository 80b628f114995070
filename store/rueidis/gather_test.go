package rueidis

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	client "github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/internal/driver/drivertest"
	"github.com/distributed-rate-limiter/ratelimit/internal/flights"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// contexts are the kinds of contexts that may end a run. Each ends after a second.
var contexts = map[string]struct {
	make func() (context.Context, context.CancelFunc)
	err  error
}{
	"Timeout": {func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), time.Second)
	}, context.DeadlineExceeded},
	"Cancel": {cancelled, context.Canceled},
	"Limiter": {func() (context.Context, context.CancelFunc) {
		d := new(deadline.Ends).Within(context.Background(), time.Second)
		return d, d.End
	}, context.DeadlineExceeded},
	"LimiterCancel": {func() (context.Context, context.CancelFunc) {
		parent, cancel := cancelled()
		return new(deadline.Ends).Within(parent, time.Hour), cancel
	}, context.Canceled},
}

func cancelled() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Second, cancel)
	return ctx, cancel
}

// deaf is a client that ignores the end of contexts: each Do takes as long as takes says.
type deaf struct {
	client.Client

	mu    sync.Mutex
	takes time.Duration
	seen  []<-chan struct{} // the Done of each context
}

// storeOn returns a Store on d that makes no connections in the background.
func storeOn(d *deaf) *Store {
	s := New(d)
	s.warmer = nil
	return s
}

// take sets how long a Do takes, and returns the Done of the last one's context.
func (d *deaf) take(takes time.Duration) (last <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.takes = takes
	if len(d.seen) > 0 {
		last = d.seen[len(d.seen)-1]
	}
	return last
}

// The Mode is that of a Cluster, so that no command waits for others.
func (d *deaf) Mode() client.ClientMode { return client.ClientModeCluster }
func (d *deaf) B() client.Builder       { return client.Builder{} }
func (d *deaf) Do(ctx context.Context, _ client.Completed) client.RedisResult {
	d.mu.Lock()
	d.seen = append(d.seen, ctx.Done())
	takes := d.takes
	d.mu.Unlock()
	time.Sleep(takes)
	return client.RedisResult{}
}

// A Run returns when its context ends, whatever was run before and whatever the client does,
// and the context that the client was given ends as well.
func TestRunEndsWithContext(t *testing.T) {
	for name, c := range contexts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &deaf{}
				s := storeOn(d)
				script := store.NewScript("x", "")
				run := func(takes, want time.Duration, wantErr error) {
					t.Helper()
					ctx, cancel := c.make()
					defer cancel()
					start := time.Now()
					d.take(takes)
					_, err := s.Run(ctx, script, nil, []int64{1})
					require.ErrorIs(t, err, wantErr)
					require.Equal(t, want, time.Since(start))
					if wantErr == c.err {
						require.ErrorIs(t, ctx.Err(), wantErr)
						<-d.take(0)
					}
				}
				for range 3 {
					run(time.Second/2, time.Second/2, store.ErrReply)
					run(time.Minute, time.Second, c.err)
					run(time.Second/4, time.Second/4, store.ErrReply)

					start := time.Now() // a run whose context does not end
					d.take(time.Minute)
					_, err := s.Run(context.Background(), script, nil, nil)
					require.ErrorIs(t, err, store.ErrReply)
					require.Equal(t, time.Minute, time.Since(start))
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				flying, _ := s.gather.Counts()
				require.Zero(t, flying)
			})
		})
	}
}

// If as many runs are in flight as there may be, and were all given up on, a further run still
// returns on time. As soon as they end, runs go as before.
func TestMostInFlight(t *testing.T) {
	for name, c := range contexts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &deaf{takes: time.Minute}
				s := storeOn(d)
				start := time.Now()
				run := func() error {
					ctx, cancel := c.make()
					defer cancel()
					_, err := s.Run(ctx, store.NewScript("x", ""), nil, []int64{1})
					return err
				}
				var all sync.WaitGroup
				for range flights.Most + 100 {
					all.Go(func() {
						if err := run(); err == nil || time.Since(start) != time.Second {
							t.Error(err, time.Since(start))
						}
					})
				}
				all.Wait()
				flying, waiting := s.gather.Counts()
				require.Equal(t, flights.Most, flying)
				require.Zero(t, waiting)
				require.ErrorIs(t, run(), c.err)
				require.Equal(t, 2*time.Second, time.Since(start))
				require.Len(t, d.seen, flights.Most)

				time.Sleep(time.Minute - 2*time.Second - time.Second/2)
				d.take(0)
				require.ErrorIs(t, run(), store.ErrReply, "there is room before its time is up")
				require.Equal(t, time.Minute, time.Since(start))
			})
		})
	}
}

// holding is a client that keeps the reply to each run until it is told to let go.
type holding struct {
	client.Client
	held chan chan struct{}
}

func (h *holding) Do(_ context.Context, cmd client.Completed) client.RedisResult {
	result := h.Client.Do(context.Background(), cmd)
	letGo := make(chan struct{})
	h.held <- letGo
	<-letGo
	return result
}

// counts returns once there are just so many flights, and so many runs that wait.
func counts(t *testing.T, s *Store, flying, waiting int) {
	t.Helper()
	drivertest.AwaitFlights(t, &s.gather.Flights, flying, waiting)
}

// busy puts n runs in flight, which stay there until land is called.
func busy(t *testing.T, s *Store, n int) (land func()) {
	t.Helper()
	return drivertest.Busy(t, &s.gather.Flights, n)
}

// counting is a client that counts the runs that it is given. If instead is set, it changes
// what DoMulti returns.
type counting struct {
	client.Client
	single, together atomic.Int64
	instead          func([]client.RedisResult) []client.RedisResult
}

func (c *counting) Do(ctx context.Context, cmd client.Completed) client.RedisResult {
	c.single.Add(1)
	return c.Client.Do(ctx, cmd)
}

func (c *counting) DoMulti(ctx context.Context, cmds ...client.Completed) []client.RedisResult {
	c.together.Add(int64(len(cmds)))
	results := c.Client.DoMulti(ctx, cmds...)
	if c.instead != nil {
		return c.instead(results)
	}
	return results
}

// counted returns a Store on a counting client, whose server has the script loaded.
func counted(t *testing.T) (*Store, *counting, *redistest.Server) {
	server := redistest.Start(t)
	c, err := client.NewClient(client.ClientOption{InitAddress: []string{server.Addr()}, ForceSingleClient: true, DisableCache: true})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.NoError(t, c.Do(context.Background(), c.B().ScriptLoad().Script(drivertest.Count.Source()).Build()).Error())
	counting := &counting{Client: c}
	s := New(counting)
	s.gather.Apart = false // as if the client were rueidis's own
	return s, counting, server
}

// Runs that come while some are in flight go together. Each is run once, and each caller gets
// the reply to its own run.
func TestRunsGoTogether(t *testing.T) {
	s, c, _ := counted(t)
	runs := drivertest.GoTogether(t, s)
	require.EqualValues(t, runs, c.single.Load()+c.together.Load())
	require.Positive(t, c.together.Load())
	counts(t, s, 0, 0)
}

// If one of the runs that go together fails, the others do not. A run whose script the server
// does not have is run all the same. Several runs of one caller, by RunAll, are among them.
func TestOneFailsAlone(t *testing.T) {
	s, c, _ := counted(t)
	require.NoError(t, c.Client.Do(context.Background(), c.B().Set().Key("text").Value("x").Build()).Error())
	other := store.NewScript("other", "return {tonumber(ARGV[1]) + 1}")
	land := busy(t, s, flights.Few)
	var all sync.WaitGroup
	run := func(script *store.Script, key string, check func([]int64, error) error) {
		all.Go(func() {
			if err := check(s.Run(context.Background(), script, []string{key}, []int64{41})); err != nil {
				t.Error(err)
			}
		})
	}
	is := func(want ...int64) func([]int64, error) error {
		return func(reply []int64, err error) error {
			if err != nil || fmt.Sprint(reply) != fmt.Sprint(want) {
				return fmt.Errorf("reply %v, error %w", reply, err)
			}
			return nil
		}
	}
	failed := func(_ []int64, err error) error {
		if server := (*store.ServerError)(nil); !errors.As(err, &server) {
			return fmt.Errorf("%w is no error of the server", err)
		}
		return nil
	}
	for i := range 5 {
		run(drivertest.Count, fmt.Sprint("n", i), is(1, 41))
	}
	run(drivertest.Count, "text", failed)
	run(other, "n", is(42))
	all.Go(func() {
		runs := []store.Run{{Keys: []string{"a"}, Args: []int64{1}}, {Keys: []string{"text"}, Args: []int64{2}}, {Keys: []string{"b"}, Args: []int64{3}}}
		s.RunAll(context.Background(), drivertest.Count, runs)
		for i, check := range []func([]int64, error) error{is(1, 1), failed, is(1, 3)} {
			if err := check(runs[i].Reply, runs[i].Err); err != nil {
				t.Error(err)
			}
		}
	})
	counts(t, s, flights.Few, 8)
	require.Zero(t, c.together.Load())
	land()
	all.Wait()
	require.EqualValues(t, 10, c.together.Load())
	counts(t, s, 0, 0)
}

// If the client panics, ends its goroutine or returns too few results, the runs fail, and all
// flights land.
func TestClientFails(t *testing.T) {
	s, c, _ := counted(t)
	for _, instead := range []func([]client.RedisResult) []client.RedisResult{
		func([]client.RedisResult) []client.RedisResult { panic("on purpose") },
		func([]client.RedisResult) []client.RedisResult { runtime.Goexit(); return nil },
		func(results []client.RedisResult) []client.RedisResult { return results[1:] },
	} {
		c.instead = instead
		land := busy(t, s, flights.Few)
		errs := make(chan error, 3)
		for range cap(errs) {
			go func() {
				_, err := s.Run(context.Background(), drivertest.Count, []string{"n"}, []int64{0})
				errs <- err
			}()
		}
		counts(t, s, flights.Few, cap(errs))
		land()
		for range cap(errs) {
			require.Regexp(t, "^rueidis: the client ", (<-errs).Error())
		}
		counts(t, s, 0, 0)
	}
	c.instead = nil
	_, err := s.Run(context.Background(), drivertest.Count, []string{"n"}, []int64{0})
	require.NoError(t, err)
}

// keeping is a client that keeps the commands that it is given, like one that returns at the
// end of a context before it has sent them.
type keeping struct {
	client.Client
	kept [][]client.Completed
}

func (k *keeping) DoMulti(_ context.Context, commands ...client.Completed) []client.RedisResult {
	k.kept = append(k.kept, commands)
	return make([]client.RedisResult, len(commands))
}

// A client may still write commands that were given up on, so their memory must not be used for
// other commands.
func TestCommandsAreTheClients(t *testing.T) {
	k := &keeping{Client: &deaf{}}
	s := New(k)
	for i := range int64(10) {
		s.RunAll(context.Background(), drivertest.Count, []store.Run{{Args: []int64{i}}, {Args: []int64{-i}}})
	}
	require.Len(t, k.kept, 10)
	for i, commands := range k.kept {
		for j, sign := range []int{1, -1} {
			require.Equal(t, []string{"EVALSHA", drivertest.Count.SHA1(), "0", fmt.Sprint(sign * i)}, commands[j].Commands())
		}
	}
}

// redirecting stands for two servers. The first is demoted once it has run a script: it then
// redirects all other runs to the second.
type redirecting struct {
	mu      sync.Mutex
	demoted bool
	ran     map[string]int // how often the script was run, by key
}

func (r *redirecting) serve(conn net.Conn, first bool) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	var err error
	line := func() (s string) {
		if err == nil {
			s, err = in.ReadString('\n')
		}
		return strings.TrimSpace(s)
	}
	for {
		count, _ := strconv.Atoi(strings.TrimPrefix(line(), "*"))
		words := make([]string, count)
		for i := range words {
			line()
			words[i] = line()
		}
		if err != nil || count == 0 {
			return
		}
		reply := "+OK"
		switch words[0] {
		case "HELLO":
			reply = "%1\r\n+version\r\n+7.0.0"
		case "EVALSHA":
			r.mu.Lock()
			if first && r.demoted {
				reply = "-REDIRECT second:1"
			} else {
				reply = "*1\r\n:1"
				r.ran[words[3]]++
				r.demoted = true
			}
			r.mu.Unlock()
		}
		_, _ = io.WriteString(conn, reply+"\r\n")
	}
}

// A client that follows a server's redirections sends all of several commands again if one was
// refused. So with such a client no commands go together, and each run happens once.
func TestRedirectingClient(t *testing.T) {
	r := &redirecting{ran: map[string]int{}}
	c, err := client.NewClient(client.ClientOption{
		InitAddress: []string{"first:1"}, DisableCache: true, Standalone: client.StandaloneOption{EnableRedirect: true},
		DialCtxFn: func(_ context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
			ours, theirs := net.Pipe()
			t.Cleanup(func() { _ = theirs.Close() }) // the client keeps the replaced one for 5 s more
			go r.serve(theirs, addr == "first:1")
			return ours, nil
		},
	})
	require.NoError(t, err)
	defer c.Close()
	s := New(c)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	run := func() { // runs of several callers, whose commands would otherwise go together
		land := busy(t, s, flights.Few)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if _, err := s.Run(ctx, drivertest.Count, []string{fmt.Sprint("k", i)}, nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		land()
	}
	runAll := func() {
		runs := make([]store.Run, 8)
		for i := range runs {
			runs[i].Keys = []string{fmt.Sprint("k", i)}
		}
		s.RunAll(ctx, drivertest.Count, runs)
		for _, r := range runs {
			require.NoError(t, r.Err)
		}
	}
	runAll()
	run()
	require.Len(t, r.ran, 8)
	for key, n := range r.ran {
		require.Equal(t, 2, n, key)
	}
}

// Apart is false only for clients of one server that are known to send each of several commands
// once.
func TestApart(t *testing.T) {
	server := redistest.Start(t)
	one, err := Open(server.URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, one.Close()) }()
	c, err := one.get(context.Background())
	require.NoError(t, err)
	require.False(t, one.gather.Apart)
	require.False(t, New(c.(owned).Client).gather.Apart)
	require.True(t, New(c).gather.Apart, "it wraps the client")
	require.True(t, New(&counting{Client: c}).gather.Apart, "it may see commands, with their contexts")
	require.True(t, New(&deaf{}).gather.Apart)
	cluster, err := Open(server.URL(), WithCluster())
	require.NoError(t, err)
	defer func() { require.NoError(t, cluster.Close()) }()
	require.True(t, cluster.gather.Apart)
	sentinel, err := Open(server.URL(), WithSentinel("master"))
	require.NoError(t, err)
	defer func() { require.NoError(t, sentinel.Close()) }()
	require.False(t, sentinel.gather.Apart)
}

// Of runs that go together to a server that hangs, each returns when its context ends, and the
// others get their replies.
func TestFlightHangs(t *testing.T) {
	s, c, server := counted(t)
	drivertest.HungFlight(t, s, &s.gather.Flights, server)
	require.EqualValues(t, 2, c.together.Load())
}

// The reply to a run that was given up on is dropped, and never given to the next run.
func TestLateReply(t *testing.T) {
	c, err := client.NewClient(client.ClientOption{InitAddress: []string{redistest.Start(t).Addr()}, ForceSingleClient: true, DisableCache: true})
	require.NoError(t, err)
	defer c.Close()
	script := store.NewScript("echo", "return {tonumber(ARGV[1])}")
	require.NoError(t, c.Do(context.Background(), c.B().ScriptLoad().Script(script.Source()).Build()).Error())
	h := &holding{c, make(chan chan struct{})}
	s := New(h)

	type answer struct {
		reply []int64
		err   error
	}
	begin := func(ctx context.Context, n int64) (<-chan answer, chan struct{}) {
		answers := make(chan answer, 1)
		go func() {
			reply, err := s.Run(ctx, script, []string{"k"}, []int64{n})
			answers <- answer{reply, err}
		}()
		return answers, <-h.held
	}
	for n := range int64(20) {
		parent, cancel := context.WithCancel(context.Background())
		ctx := new(deadline.Ends).Within(parent, time.Minute)
		given, letGo := begin(ctx, 100+n)
		cancel()
		require.ErrorIs(t, (<-given).err, context.Canceled)

		next, letNextGo := begin(context.Background(), n)
		close(letGo)
		counts(t, s, 1, 0)
		close(letNextGo)
		require.Equal(t, answer{[]int64{n}, nil}, <-next)
		counts(t, s, 0, 0)
	}
}
