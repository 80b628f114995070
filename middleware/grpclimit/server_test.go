package grpclimit_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
)

// requireStatus holds err to a code and to its details, whole.
func requireStatus(t *testing.T, err error, code codes.Code, details ...proto.Message) *status.Status {
	t.Helper()
	s := status.Convert(err)
	require.Equal(t, code, s.Code(), "%v", err)
	got := s.Details()
	require.Len(t, got, len(details))
	for i, want := range details {
		require.True(t, proto.Equal(want, got[i].(proto.Message)), "want %v, got %v", want, got[i])
	}
	return s
}

func retryIn(wait time.Duration) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(wait)}
}

func quota(violations ...*errdetails.QuotaFailure_Violation) *errdetails.QuotaFailure {
	return &errdetails.QuotaFailure{Violations: violations}
}

// wait is what a unit takes to come back at 7 an hour, by the limiter's promise
// to the microsecond, rounded up.
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

	s, err = client.NewStream(t.Context(), listDesc, list) // of another method
	require.NoError(t, err)
	require.NoError(t, s.SendMsg(wrapperspb.String("hi")))
	require.NoError(t, s.CloseSend())
	for range 3 {
		require.NoError(t, s.RecvMsg(&text{}))
	}
	require.ErrorIs(t, s.RecvMsg(&text{}), io.EOF)
}

// Each message that the server receives costs one, beside the start; but not the
// one that a call consists of whose answers alone are many.
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

func TestNeverNeedsNoRetryInfo(t *testing.T) {
	unary, stream, err := grpclimit.ServerInterceptors([]grpclimit.Limit{{
		Name:     "size",
		Limiter:  limiter(t, redis(t), perHour(5)),
		Identity: grpclimit.Peer,
		Cost: func(_ context.Context, call grpclimit.Call) int64 {
			return int64(len(call.Message.(*text).GetValue()))
		},
	}}, grpclimit.WithPushback(time.Hour))
	require.NoError(t, err)
	client := limited(t, unary, stream)
	var trailer metadata.MD
	_, err = call(t.Context(), client, "123456", grpc.Trailer(&trailer))
	s := requireStatus(t, err, codes.ResourceExhausted, quota(&errdetails.QuotaFailure_Violation{
		Subject:     "limit:size",
		Description: "6 asked for, more than the 5 there can be",
		ApiService:  "test.Echo",
		QuotaId:     "size",
		QuotaValue:  5,
	}))
	require.Equal(t, `rate limit "size": 6 asked for, more than the 5 there can be; do not retry`, s.Message())
	require.Equal(t, []string{"-1"}, trailer["grpc-retry-pushback-ms"])

	for _, in := range []string{"1234", "", "1"} {
		_, err = call(t.Context(), client, in)
		require.NoError(t, err)
	}
	_, err = call(t.Context(), client, "")
	require.NoError(t, err, "what costs nothing is not limited")
	_, err = call(t.Context(), client, "1", grpc.Trailer(&trailer))
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.Equal(t, []string{"720000"}, trailer["grpc-retry-pushback-ms"])
}

func TestRedisIsAway(t *testing.T) {
	for _, test := range []struct {
		mode ratelimit.FailureMode
		want codes.Code
	}{{ratelimit.FailOpen, codes.OK}, {ratelimit.FailClosed, codes.Unavailable}} {
		t.Run(test.mode.String(), func(t *testing.T) {
			l := limiter(t, away{}, perHour(5), ratelimit.WithFailureMode(test.mode))
			unary, stream, err := grpclimit.ServerInterceptors([]grpclimit.Limit{{Limiter: l, Identity: grpclimit.Peer}})
			require.NoError(t, err)
			client := limited(t, unary, stream)
			_, err = call(t.Context(), client, "hello")
			if test.want == codes.OK {
				require.NoError(t, err)
				return
			}
			s := requireStatus(t, err, codes.Unavailable, retryIn(time.Second))
			require.Equal(t, "rate limits cannot be decided now", s.Message())
		})
	}
}

// What no Redis could allow is not its fault.
func TestRedisIsAwayAndNever(t *testing.T) {
	unary, stream, err := grpclimit.ServerInterceptors([]grpclimit.Limit{{
		Limiter:  limiter(t, away{}, perHour(5)),
		Identity: grpclimit.Peer,
		Cost:     func(context.Context, grpclimit.Call) int64 { return 6 },
	}})
	require.NoError(t, err)
	_, err = call(t.Context(), limited(t, unary, stream), "hello")
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
}

func TestNoIdentity(t *testing.T) {
	key, err := grpclimit.Metadata("x-api-key")
	require.NoError(t, err)
	for _, test := range []struct {
		options []grpclimit.ServerOption
		want    codes.Code
	}{
		{nil, codes.Unauthenticated},
		{[]grpclimit.ServerOption{grpclimit.WithNoIdentityCode(codes.InvalidArgument)}, codes.InvalidArgument},
		{[]grpclimit.ServerOption{grpclimit.WithNoIdentityCode(codes.ResourceExhausted)}, codes.ResourceExhausted},
	} {
		unary, stream, err := grpclimit.ServerInterceptors(
			[]grpclimit.Limit{{Name: "key", Limiter: limiter(t, redis(t), perHour(1)), Identity: key}}, test.options...)
		require.NoError(t, err)
		client := limited(t, unary, stream)
		for range 2 {
			_, err = call(t.Context(), client, "hello")
			s := requireStatus(t, err, test.want)
			require.Equal(t, `rate limit "key": it is unknown whose call this is`, s.Message())
		}
		s, err := client.NewStream(t.Context(), chatDesc, chat)
		require.NoError(t, err)
		requireStatus(t, s.RecvMsg(&text{}), test.want)

		ctx := metadata.AppendToOutgoingContext(t.Context(), "X-API-Key", "alice")
		_, err = call(ctx, client, "hello")
		require.NoError(t, err)
	}
}

func TestPlainSubject(t *testing.T) {
	key, err := grpclimit.Metadata("key-bin")
	require.NoError(t, err)
	unary, err := grpclimit.UnaryServerInterceptor(limiter(t, redis(t), perHour(1)), key, grpclimit.WithPlainSubject())
	require.NoError(t, err)
	client := dial(t, listen(t, grpc.UnaryInterceptor(unary)))
	for value, want := range map[string]string{
		"alice":                    "metadata:key-bin:alice",
		"\xff\x00":                 "metadata:key-bin:\uFFFD\x00",
		string(make([]byte, 1000)): "metadata:key-bin:" + string(make([]byte, 256-len("metadata:key-bin:"))),
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "key-bin", value)
		_, err = call(ctx, client, "hello")
		require.NoError(t, err)
		_, err = call(ctx, client, "hello")
		require.Equal(t, codes.ResourceExhausted, status.Code(err))
		require.Len(t, status.Convert(err).Details(), 2)
		failure := status.Convert(err).Details()[1].(*errdetails.QuotaFailure)
		require.Equal(t, want, failure.GetViolations()[0].GetSubject())
	}
}

// The server answers a call that is over with its context's own code.
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

func TestSkip(t *testing.T) {
	unary, stream, err := grpclimit.ServerInterceptors(
		[]grpclimit.Limit{{Limiter: limiter(t, redis(t), perHour(1)), Identity: grpclimit.Method}},
		grpclimit.WithMessages(),
		grpclimit.WithSkip(grpclimit.HealthAndReflection),
		grpclimit.WithSkip(func(_ context.Context, call grpclimit.Call) bool { return call.Method == chat }),
	)
	require.NoError(t, err)
	client := limited(t, unary, stream)
	for range 3 {
		_, err = grpc_health_v1.NewHealthClient(client).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		require.NoError(t, err)
		s, err := client.NewStream(t.Context(), chatDesc, chat)
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, s.SendMsg(wrapperspb.String("hi")))
			require.NoError(t, s.RecvMsg(&text{}))
		}
		require.NoError(t, s.CloseSend())
		require.ErrorIs(t, s.RecvMsg(&text{}), io.EOF)
	}
	_, err = call(t.Context(), client, "hello")
	require.NoError(t, err)
	_, err = call(t.Context(), client, "hello")
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
}

func TestHealthAndReflection(t *testing.T) {
	for method, want := range map[string]bool{
		"/grpc.health.v1.Health/Check":                                   true,
		"/grpc.health.v1.Health/Watch":                                   true,
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      true,
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": true,
		"/grpc.health.v1.Healthy/Check":                                  false,
		"/x/grpc.health.v1.Health/Check":                                 false,
		"/grpc.health.v1.Health/Check/x":                                 false,
		"/test.Echo/Unary":                                               false,
		"":                                                               false,
		"/":                                                              false,
		"Check":                                                          false,
	} {
		require.Equal(t, want, grpclimit.HealthAndReflection(t.Context(), grpclimit.Call{Method: method}), method)
	}
}

func TestDeniedFunction(t *testing.T) {
	var got []*grpclimit.Denial
	key, err := grpclimit.Metadata("x-api-key")
	require.NoError(t, err)
	unary, stream, err := grpclimit.ServerInterceptors(
		[]grpclimit.Limit{{Name: "key", Limiter: limiter(t, redis(t), perHour(1)), Identity: key}},
		grpclimit.WithDenied(func(_ context.Context, d *grpclimit.Denial) error {
			got = append(got, d)
			if d.Code == codes.Unauthenticated {
				return status.Error(codes.PermissionDenied, "no key, no call")
			}
			return nil
		}),
	)
	require.NoError(t, err)
	client := limited(t, unary, stream)
	_, err = call(t.Context(), client, "hello")
	s := requireStatus(t, err, codes.PermissionDenied)
	require.Equal(t, "no key, no call", s.Message())

	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "alice")
	_, err = call(ctx, client, "hello")
	require.NoError(t, err)
	_, err = call(ctx, client, "hello")
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "nil is the default")

	require.Len(t, got, 2)
	d := got[1]
	require.Equal(t, echo, d.Call.Method)
	require.Equal(t, "hello", d.Call.Message.(*text).GetValue())
	require.Equal(t, time.Hour, d.RetryAfter)
	require.Len(t, d.Violations, 1)
	require.Equal(t, "key", d.Violations[0].Limit)
	require.Equal(t, "metadata:x-api-key:alice", d.Violations[0].Identity.Reveal())
	require.EqualValues(t, 1, d.Violations[0].Cost)
	require.Equal(t, ratelimit.Result{Limit: 1, RetryAfter: time.Hour, ResetAfter: time.Hour, Now: d.Violations[0].Result.Now}, d.Violations[0].Result)
	require.True(t, d.Violations[0].Result.Now.Equal(began))
	require.NotContains(t, d.Error(), "alice")
}

// An interceptor around this one finds the denial.
func TestDenialIsFound(t *testing.T) {
	unary, err := grpclimit.UnaryServerInterceptor(limiter(t, redis(t), perHour(1)), grpclimit.Peer)
	require.NoError(t, err)
	found := make(chan string, 1)
	around := func(ctx context.Context, in any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		out, err := handler(ctx, in)
		var d *grpclimit.Denial
		if errors.As(err, &d) {
			found <- d.Violations[0].Identity.Reveal()
		}
		return out, err
	}
	client := dial(t, listen(t, grpc.ChainUnaryInterceptor(around, unary)))
	for range 2 {
		_, err = call(t.Context(), client, "hello")
	}
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.Equal(t, "ip:127.0.0.1", <-found)
}

// A handler's panic is none of this package's business.
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

func TestNegativeCost(t *testing.T) {
	unary, stream, err := grpclimit.ServerInterceptors([]grpclimit.Limit{{
		Limiter:  limiter(t, redis(t), perHour(5)),
		Identity: grpclimit.Method,
		Cost:     func(context.Context, grpclimit.Call) int64 { return -2 },
	}})
	require.NoError(t, err)
	_, err = call(t.Context(), limited(t, unary, stream), "hello")
	s := requireStatus(t, err, codes.InvalidArgument)
	require.Equal(t, `rate limit "default": the call would cost -2`, s.Message())
}

// A client with a retry policy waits for what the trailer says, not for its own
// backoff, which would be an hour here.
func TestPushback(t *testing.T) {
	r := redis(t)
	unary, err := grpclimit.UnaryServerInterceptor(
		limiter(t, r, tokenbucket.Limit{Rate: 1, Period: 1500 * time.Microsecond}), grpclimit.Peer,
		grpclimit.WithPushback(time.Second),
		grpclimit.WithDenied(func(_ context.Context, d *grpclimit.Denial) error {
			r.Advance(d.RetryAfter)
			return nil
		}),
	)
	require.NoError(t, err)
	client := dial(t, listen(t, grpc.UnaryInterceptor(unary)), grpc.WithDefaultServiceConfig(`{"methodConfig": [{
		"name": [{}],
		"retryPolicy": {
			"maxAttempts": 2, "initialBackoff": "3600s", "maxBackoff": "3600s", "backoffMultiplier": 1,
			"retryableStatusCodes": ["RESOURCE_EXHAUSTED"]
		}
	}]}`))
	for range 3 {
		_, err = call(t.Context(), client, "hello")
		require.NoError(t, err)
	}
}

// In memory and on a Unix socket, clients have no address; there is no limit that
// all of them share.
func TestNoAddress(t *testing.T) {
	unary, err := grpclimit.UnaryServerInterceptor(limiter(t, redis(t), perHour(5)), grpclimit.Peer)
	require.NoError(t, err)

	memory := bufconn.Listen(1 << 16)
	serve(t, memory, grpc.UnaryInterceptor(unary))
	client := dial(t, "passthrough:///memory", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return memory.DialContext(ctx)
	}))
	_, err = call(t.Context(), client, "hello")
	requireStatus(t, err, codes.Unauthenticated)

	path := t.TempDir() + "/socket"
	socket, err := net.Listen("unix", path)
	require.NoError(t, err)
	serve(t, socket, grpc.UnaryInterceptor(unary))
	_, err = call(t.Context(), dial(t, "unix://"+path), "hello")
	requireStatus(t, err, codes.Unauthenticated)
}
