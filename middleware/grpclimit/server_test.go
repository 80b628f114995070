package grpclimit_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
)

// wait is how long a unit takes to come back at 7 an hour, rounded up to the microsecond
// as the limiter promises.
const wait = 514_285_715 * time.Microsecond

func TestUnaryServerDenied(t *testing.T) {
	r := redis(t)
	unary, err := grpclimit.UnaryServerInterceptor(limiter(t, r, perHour(7)), grpclimit.Peer)
	require.NoError(t, err)
	client := dial(t, listen(t, grpc.UnaryInterceptor(unary)))
	for range 7 {
		got, err := call(t.Context(), client, "hello")
		require.NoError(t, err)
		require.Equal(t, "HELLO", got)
	}
	_, err = call(t.Context(), client, "hello")
	s := requireStatus(t, err, codes.ResourceExhausted, retryIn(wait), quota(&errdetails.QuotaFailure_Violation{
		Subject:     "limit:default",
		Description: "1 asked for, 0 left of 7",
		ApiService:  "test.Echo",
		QuotaId:     "default",
		QuotaValue:  7,
	}))
	require.Equal(t, `rate limit "default": 1 asked for, 0 left of 7; retry after 8m34.285715s`, s.Message())

	r.Advance(wait - time.Microsecond)
	_, err = call(t.Context(), client, "hello")
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	r.Advance(time.Microsecond)
	_, err = call(t.Context(), client, "hello")
	require.NoError(t, err, "RetryInfo is exact")
}

func TestStreamServerDenied(t *testing.T) {
	stream, err := grpclimit.StreamServerInterceptor(limiter(t, redis(t), perHour(2)), grpclimit.Method)
	require.NoError(t, err)
	client := dial(t, listen(t, grpc.StreamInterceptor(stream)))
	for range 2 {
		s, err := client.NewStream(t.Context(), chatDesc, chat)
		require.NoError(t, err)
		for range 5 { // messages cost nothing
			require.NoError(t, s.SendMsg(wrapperspb.String("hi")))
			out := &text{}
			require.NoError(t, s.RecvMsg(out))
			require.Equal(t, "HI", out.GetValue())
		}
		require.NoError(t, s.CloseSend())
		require.ErrorIs(t, s.RecvMsg(&text{}), io.EOF)
	}
	s, err := client.NewStream(t.Context(), chatDesc, chat)
	require.NoError(t, err)
	requireStatus(t, s.RecvMsg(&text{}), codes.ResourceExhausted, retryIn(30*time.Minute), quota(&errdetails.QuotaFailure_Violation{
		Subject:     "limit:default",
		Description: "1 asked for, 0 left of 2",
		ApiService:  "test.Echo",
		QuotaId:     "default",
		QuotaValue:  2,
	}))

	s, err = client.NewStream(t.Context(), listDesc, list) // another method has a limit of its own
	require.NoError(t, err)
	require.NoError(t, s.SendMsg(wrapperspb.String("hi")))
	require.NoError(t, s.CloseSend())
	for range 3 {
		require.NoError(t, s.RecvMsg(&text{}))
	}
	require.ErrorIs(t, s.RecvMsg(&text{}), io.EOF)
}

// Each message that the server receives costs one unit, in addition to the start of the
// stream. The single request of a call in which only the server sends many messages costs
// nothing.
func TestServerMessages(t *testing.T) {
	_, stream, err := grpclimit.ServerInterceptors(
		[]grpclimit.Limit{{Limiter: limiter(t, redis(t), perHour(4)), Identity: grpclimit.Method}},
		grpclimit.WithMessages(),
	)
	require.NoError(t, err)
	client := dial(t, listen(t, grpc.StreamInterceptor(stream)))

	s, err := client.NewStream(t.Context(), chatDesc, chat)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, s.SendMsg(wrapperspb.String("hi")))
		require.NoError(t, s.RecvMsg(&text{}))
	}
	require.NoError(t, s.SendMsg(wrapperspb.String("hi")))
	requireStatus(t, s.RecvMsg(&text{}), codes.ResourceExhausted, retryIn(15*time.Minute), quota(&errdetails.QuotaFailure_Violation{
		Subject:     "limit:default",
		Description: "1 asked for, 0 left of 4",
		ApiService:  "test.Echo",
		QuotaId:     "default",
		QuotaValue:  4,
	}))

	s, err = client.NewStream(t.Context(), collectDesc, collect)
	require.NoError(t, err)
	for _, in := range []string{"a", "b", "c"} {
		require.NoError(t, s.SendMsg(wrapperspb.String(in)))
	}
	require.NoError(t, s.CloseSend())
	out := &text{}
	require.NoError(t, s.RecvMsg(out))
	require.Equal(t, "ABC", out.GetValue())

	for range 4 {
		s, err = client.NewStream(t.Context(), listDesc, list)
		require.NoError(t, err)
		require.NoError(t, s.SendMsg(wrapperspb.String("hi")))
		require.NoError(t, s.CloseSend())
		for range 3 {
			require.NoError(t, s.RecvMsg(&text{}))
		}
	}
}

// A call whose context has ended is answered with the code of the context's error.
func TestContextEnded(t *testing.T) {
	unary, stream, err := grpclimit.ServerInterceptors(
		[]grpclimit.Limit{{Limiter: limiter(t, redis(t), perHour(1)), Identity: grpclimit.Method}})
	require.NoError(t, err)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for _, test := range []struct {
		ctx  context.Context
		want codes.Code
	}{{canceled, codes.Canceled}, {late, codes.DeadlineExceeded}} {
		_, err := unary(test.ctx, nil, &grpc.UnaryServerInfo{FullMethod: echo}, func(context.Context, any) (any, error) {
			t.Error("handler was called")
			return nil, nil
		})
		requireStatus(t, err, test.want)
		err = stream(nil, streamOf{ctx: test.ctx}, &grpc.StreamServerInfo{FullMethod: chat}, func(any, grpc.ServerStream) error {
			t.Error("handler was called")
			return nil
		})
		requireStatus(t, err, test.want)
	}
}

// streamOf is a stream that has a context and nothing else.
type streamOf struct {
	grpc.ServerStream
	ctx context.Context
}

func (s streamOf) Context() context.Context { return s.ctx }

// A handler's panic passes through the interceptors unchanged.
func TestPanicPasses(t *testing.T) {
	unary, stream, err := grpclimit.ServerInterceptors(
		[]grpclimit.Limit{{Limiter: limiter(t, redis(t), perHour(5)), Identity: grpclimit.Method}}, grpclimit.WithMessages())
	require.NoError(t, err)
	cause := errors.New("cause")
	require.PanicsWithValue(t, cause, func() {
		_, _ = unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: echo}, func(context.Context, any) (any, error) { panic(cause) })
	})
	require.PanicsWithValue(t, cause, func() {
		_ = stream(nil, streamOf{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: chat, IsClientStream: true},
			func(any, grpc.ServerStream) error { panic(cause) })
	})
}

// The limit holds however many unary calls and streams come at once.
func TestTogether(t *testing.T) {
	unary, stream, err := grpclimit.ServerInterceptors([]grpclimit.Limit{{Limiter: limiter(t, redis(t), perHour(30)), Identity: grpclimit.Peer}})
	require.NoError(t, err)
	client := limited(t, unary, stream)
	var ok, denied atomic.Int64
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			for range 4 {
				var err error
				if i%2 == 0 {
					_, err = call(t.Context(), client, "hello")
				} else {
					var s grpc.ClientStream
					if s, err = client.NewStream(t.Context(), chatDesc, chat); err == nil {
						_ = s.CloseSend()
						if err = s.RecvMsg(&text{}); err == io.EOF {
							err = nil
						}
					}
				}
				switch status.Code(err) {
				case codes.OK:
					ok.Add(1)
				case codes.ResourceExhausted:
					denied.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 30, ok.Load())
	require.EqualValues(t, 50, denied.Load())
}
