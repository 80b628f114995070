package rueidis

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	client "github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/deadline"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// contexts make a context that ends after a second, in each way in which it may.
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

// deaf is a client that does not hear of the end of contexts: its Do takes as long
// as it is told.
type deaf struct {
	client.Client

	mu    sync.Mutex
	takes time.Duration
	seen  []<-chan struct{} // the Done of each context
}

// storeOn returns a store on d, which makes no connections of its own accord.
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

func (d *deaf) Mode() client.ClientMode { return client.ClientModeStandalone }
func (d *deaf) B() client.Builder       { return client.Builder{} }
func (d *deaf) Do(ctx context.Context, _ client.Completed) client.RedisResult {
	d.mu.Lock()
	d.seen = append(d.seen, ctx.Done())
	takes := d.takes
	d.mu.Unlock()
	time.Sleep(takes)
	return client.RedisResult{}
}

// A Run ends with its context, whatever was run before and whatever the client
// does, and the client gets to know.
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

					start := time.Now() // one that may take its time
					d.take(time.Minute)
					_, err := s.Run(context.Background(), script, nil, nil)
					require.ErrorIs(t, err, store.ErrReply)
					require.Equal(t, time.Minute, time.Since(start))
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				require.Empty(t, s.turns.taken)
			})
		})
	}
}

// Who finds all turns taken by runs that go on, though they were given up on,
// leaves on time too; and as soon as they end, all is as before.
func TestAllTurnsTaken(t *testing.T) {
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
				for range maxTurns + 100 {
					all.Go(func() {
						if err := run(); err == nil || time.Since(start) != time.Second {
							t.Error(err, time.Since(start))
						}
					})
				}
				all.Wait()
				require.Len(t, s.turns.taken, maxTurns)
				require.ErrorIs(t, run(), c.err)
				require.Equal(t, 2*time.Second, time.Since(start))
				require.Len(t, d.seen, maxTurns)

				time.Sleep(time.Minute - 2*time.Second - time.Second/2)
				d.take(0)
				require.ErrorIs(t, run(), store.ErrReply, "a turn is free before its time is up")
				require.Equal(t, time.Minute, time.Since(start))
			})
		})
	}
}

// holding is a client that has the reply to a run, and keeps it until it is told
// to let go.
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

// The reply to a run that was given up on goes nowhere, least of all to the next run.
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
		require.Eventually(t, func() bool { return len(s.turns.taken) == 1 }, 10*time.Second, time.Millisecond)
		close(letNextGo)
		require.Equal(t, answer{[]int64{n}, nil}, <-next)
		require.Eventually(t, func() bool { return len(s.turns.taken) == 0 }, 10*time.Second, time.Millisecond)
	}
}
