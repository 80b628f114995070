package grpclimit_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
	"github.com/distributed-rate-limiter/ratelimit/observe"
)

// clientSide has a client's interceptors in a bubble, and records what they send.
type clientSide struct {
	unary  grpc.UnaryClientInterceptor
	stream grpc.StreamClientInterceptor
	client *grpc.ClientConn
	counts observe.Counts
	sent   []time.Duration // when each was sent, counted from begin
	begin  time.Time
	mu     sync.Mutex
}

// slow is a limit of one unit every 10 s, with a burst of 2.
var slow = tokenbucket.Limit{Rate: 1, Period: 10 * time.Second, Burst: 2}

// inBubble runs f in a bubble. A call or message costs 3 if its text is "dear", otherwise
// 1.
func inBubble(t *testing.T, limit tokenbucket.Limit, options []grpclimit.ClientOption, f func(t *testing.T, c *clientSide)) {
	store := newOutside(t, redis(t))
	synctest.Test(t, func(t *testing.T) {
		c := &clientSide{begin: time.Now()}
		limiter, err := ratelimit.New(store, limit, ratelimit.WithObserver(&c.counts))
		require.NoError(t, err)
		limits := []grpclimit.Limit{{Limiter: limiter, Identity: grpclimit.Method, Cost: func(_ context.Context, call grpclimit.Call) int64 {
			if m, ok := call.Message.(*text); ok && m.GetValue() == "dear" {
				return 3
			}
			return 1
		}}}
		c.unary, c.stream, err = grpclimit.ClientInterceptors(limits, options...)
		require.NoError(t, err)
		c.client, err = grpc.NewClient("passthrough:///nowhere", grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		defer c.client.Close()
		f(t, c)
	})
}

func (c *clientSide) call(ctx context.Context, in string) error {
	return c.unary(ctx, echo, wrapperspb.String(in), &text{}, c.client,
		func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.sent = append(c.sent, time.Since(c.begin))
			return nil
		})
}

// A call waits for exactly as long as its limit says, and asks once more.
func TestWait(t *testing.T) {
	inBubble(t, slow, []grpclimit.ClientOption{grpclimit.WithWait(time.Minute)}, func(t *testing.T, c *clientSide) {
		for range 4 {
			require.NoError(t, c.call(t.Context(), "cheap"))
		}
		require.Equal(t, []time.Duration{0, 0, 10 * time.Second, 20 * time.Second}, c.sent)
		require.EqualValues(t, 2, c.counts.Snapshot().Denied, "it is not busy meanwhile")
	})
}

// A call waits at least a millisecond before it asks again, even if its limit says less.
func TestWaitAtLeast(t *testing.T) {
	fast := tokenbucket.Limit{Rate: 1, Period: 20 * time.Microsecond}
	inBubble(t, fast, []grpclimit.ClientOption{grpclimit.WithWait(time.Minute)}, func(t *testing.T, c *clientSide) {
		for range 2 {
			require.NoError(t, c.call(t.Context(), "cheap"))
		}
		require.Equal(t, []time.Duration{0, time.Millisecond}, c.sent)
	})
}

// Callers that wait together are served one by one, each within its longest wait.
func TestWaitTogether(t *testing.T) {
	inBubble(t, slow, []grpclimit.ClientOption{grpclimit.WithWait(30 * time.Second)}, func(t *testing.T, c *clientSide) {
		var group sync.WaitGroup
		var denied []error
		for range 7 {
			group.Go(func() {
				if err := c.call(t.Context(), "cheap"); err != nil {
					c.mu.Lock()
					defer c.mu.Unlock()
					denied = append(denied, err)
				}
			})
		}
		group.Wait()
		require.Equal(t, []time.Duration{0, 0, 10 * time.Second, 20 * time.Second, 30 * time.Second}, c.sent)
		require.Len(t, denied, 2)
		for _, err := range denied {
			require.Equal(t, codes.ResourceExhausted, status.Code(err))
		}
		require.EqualValues(t, 5+2, c.counts.Snapshot().Denied, "the next in line asks once it is its turn")
	})
}

func TestWaitFailsAtOnce(t *testing.T) {
	for _, test := range []struct {
		name    string
		longest time.Duration
		timeout time.Duration
		in      string
		want    codes.Code // OK: it waits, and is sent
	}{
		{"Fits", 10 * time.Second, 0, "cheap", codes.OK},
		{"TooLong", 10*time.Second - 1, 0, "cheap", codes.ResourceExhausted},
		{"PassesDeadline", time.Hour, 9 * time.Second, "cheap", codes.ResourceExhausted},
		{"KeepsDeadline", time.Hour, 11 * time.Second, "cheap", codes.OK},
		{"Never", 1<<63 - 1, 0, "dear", codes.ResourceExhausted},
		{"NeverWithDeadline", 1<<63 - 1, time.Hour, "dear", codes.ResourceExhausted},
		{"Unlimited", 1<<63 - 1, 0, "cheap", codes.OK},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, slow, []grpclimit.ClientOption{grpclimit.WithWait(test.longest)}, func(t *testing.T, c *clientSide) {
				require.NoError(t, c.call(t.Context(), "cheap"))
				require.NoError(t, c.call(t.Context(), "cheap"))
				ctx := t.Context()
				if test.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.timeout)
					defer cancel()
				}
				err := c.call(ctx, test.in)
				require.Equal(t, test.want, status.Code(err))
				if test.want == codes.OK {
					require.Equal(t, 10*time.Second, time.Since(c.begin))
				} else {
					require.Zero(t, time.Since(c.begin))
				}
			})
		})
	}
}

func TestWaitIsGivenUp(t *testing.T) {
	inBubble(t, slow, []grpclimit.ClientOption{grpclimit.WithWait(time.Minute)}, func(t *testing.T, c *clientSide) {
		require.NoError(t, c.call(t.Context(), "cheap"))
		require.NoError(t, c.call(t.Context(), "cheap"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		requireStatus(t, c.call(ctx, "cheap"), codes.Canceled)
		require.Equal(t, 3*time.Second, time.Since(c.begin))
		require.Len(t, c.sent, 2)
	})
}

// A call whose identity is unknown has nothing to wait for, even with the code of a
// denial.
func TestNoIdentityDoesNotWait(t *testing.T) {
	key := must(grpclimit.Metadata("x-api-key"))
	unary, err := grpclimit.UnaryClientInterceptor(limiter(t, away{}, perHour(1)), key,
		grpclimit.WithWait(1<<63-1), grpclimit.WithNoIdentityCode(codes.ResourceExhausted))
	require.NoError(t, err)
	_, err = call(t.Context(), dial(t, "passthrough:///nowhere", grpc.WithUnaryInterceptor(unary)), "hello")
	requireStatus(t, err, codes.ResourceExhausted)
}

// The start of a stream and its messages wait. Here the first stream starts at once, and its
// messages wait from the second one on, because the start costs a unit.
func TestWaitStream(t *testing.T) {
	options := []grpclimit.ClientOption{grpclimit.WithWait(time.Minute), grpclimit.WithMessages()}
	inBubble(t, slow, options, func(t *testing.T, c *clientSide) {
		start := func() grpc.ClientStream {
			stream, err := c.stream(t.Context(), chatDesc, c.client, chat,
				func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
					return &sink{c: c}, nil
				})
			require.NoError(t, err)
			return stream
		}
		stream := start()
		require.Zero(t, time.Since(c.begin))
		for range 3 {
			require.NoError(t, stream.SendMsg(wrapperspb.String("cheap")))
		}
		require.Equal(t, []time.Duration{0, 10 * time.Second, 20 * time.Second}, c.sent)
		require.Equal(t, codes.ResourceExhausted, status.Code(stream.SendMsg(wrapperspb.String("dear"))))
		require.Equal(t, 20*time.Second, time.Since(c.begin))
		start()
		require.Equal(t, 30*time.Second, time.Since(c.begin))
	})
}

// sink is a stream that records when it is sent messages.
type sink struct {
	grpc.ClientStream
	c *clientSide
}

func (s *sink) SendMsg(any) error {
	s.c.sent = append(s.c.sent, time.Since(s.c.begin))
	return nil
}
