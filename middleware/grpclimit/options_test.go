package grpclimit_test

import (
	"context"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
)

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

func TestPushbackIsRoundedUp(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		time.Microsecond:                    "1",
		time.Millisecond:                    "1",
		time.Millisecond + time.Microsecond: "2",
		time.Minute:                         "60000",
		time.Minute + time.Microsecond:      "-1",
	} {
		unary, err := grpclimit.UnaryServerInterceptor(
			limiter(t, redis(t), tokenbucket.Limit{Rate: 1, Period: wait}), grpclimit.Peer, grpclimit.WithPushback(time.Minute))
		require.NoError(t, err)
		client := dial(t, listen(t, grpc.UnaryInterceptor(unary)))
		_, err = call(t.Context(), client, "hello")
		require.NoError(t, err)
		var trailer metadata.MD
		_, err = call(t.Context(), client, "hello", grpc.Trailer(&trailer))
		require.Equal(t, codes.ResourceExhausted, status.Code(err))
		require.Equal(t, []string{want}, trailer["grpc-retry-pushback-ms"], wait)
	}
}

// A call that no wait helps must not be tried again, however long the longest pushback is.
// Sent as a wait, its milliseconds would overflow the client's clock, and the client would
// not wait at all.
func TestPushbackOfNever(t *testing.T) {
	for _, longest := range []time.Duration{time.Hour, math.MaxInt64} {
		unary, _, err := grpclimit.ServerInterceptors([]grpclimit.Limit{{
			Limiter:  limiter(t, redis(t), perHour(5)),
			Identity: grpclimit.Peer,
			Cost:     func(context.Context, grpclimit.Call) int64 { return 6 },
		}}, grpclimit.WithPushback(longest))
		require.NoError(t, err)
		var trailer metadata.MD
		_, err = call(t.Context(), dial(t, listen(t, grpc.UnaryInterceptor(unary))), "hello", grpc.Trailer(&trailer))
		require.Equal(t, codes.ResourceExhausted, status.Code(err))
		require.Equal(t, []string{"-1"}, trailer["grpc-retry-pushback-ms"], longest)
	}
}

// A client with a retry policy waits as long as the trailer says instead of using its own
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
