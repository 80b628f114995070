package grpclimit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
)

// requireStatus requires err to have this code and exactly these details.
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

// A call that costs more than its limit could ever allow is denied even if Redis is away
// and the limiter fails open.
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

// An outer interceptor finds the Denial in the error.
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
