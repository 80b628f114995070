package grpclimit_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// byText returns a cost function that looks up a call's text in costs.
func byText(costs map[string]int64) func(context.Context, grpclimit.Call) int64 {
	return func(_ context.Context, call grpclimit.Call) int64 { return costs[call.Message.(*text).GetValue()] }
}

// perKeyAndMethod returns two limits and their limiters: 5 an hour for each key, 10 for
// each method. What a call costs under each depends on its text.
func perKeyAndMethod(t *testing.T, s store.Store, mode ratelimit.FailureMode) (limits []grpclimit.Limit, key, method *ratelimit.Limiter) {
	key = limiter(t, s, perHour(5), ratelimit.WithNamespace("key"), ratelimit.WithFailureMode(mode))
	method = limiter(t, s, perHour(10), ratelimit.WithNamespace("method"))
	return []grpclimit.Limit{
		{Name: "key", Limiter: key, Identity: must(grpclimit.Metadata("key")),
			Cost: byText(map[string]int64{"one": 1, "five": 5, "forKey": 1, "six": 6})},
		{Name: "method", Limiter: method, Identity: grpclimit.Method,
			Cost: byText(map[string]int64{"one": 1, "five": 5, "forMethod": 1, "fiveForMethod": 5, "six": 1})},
	}, key, method
}

func violation(name string, limit int64, description string) *errdetails.QuotaFailure_Violation {
	return &errdetails.QuotaFailure_Violation{
		Subject:     "limit:" + name,
		Description: description,
		ApiService:  "test.Echo",
		QuotaId:     name,
		QuotaValue:  limit,
	}
}

func TestSeveralLimits(t *testing.T) {
	limits, key, method := perKeyAndMethod(t, redis(t), ratelimit.FailOpen)
	unary, stream, err := grpclimit.ServerInterceptors(limits)
	require.NoError(t, err)
	client := limited(t, unary, stream)
	alice := metadata.AppendToOutgoingContext(t.Context(), "key", "alice")
	bob := metadata.AppendToOutgoingContext(t.Context(), "key", "bob")
	requireLeft := func(aliceHas, methodHas int64) {
		t.Helper()
		got, err := key.Peek(t.Context(), "metadata:key:alice")
		require.NoError(t, err)
		require.Equal(t, aliceHas, got.Remaining)
		got, err = method.Peek(t.Context(), "method:"+echo)
		require.NoError(t, err)
		require.Equal(t, methodHas, got.Remaining)
	}

	_, err = call(alice, client, "five")
	require.NoError(t, err)
	requireLeft(0, 5)

	_, err = call(alice, client, "one")
	requireStatus(t, err, codes.ResourceExhausted, retryIn(12*time.Minute), quota(violation("key", 5, "1 asked for, 0 left of 5")))
	requireLeft(0, 5)

	_, err = call(alice, client, "forMethod")
	require.NoError(t, err, "what costs nothing under the key's limit is not denied by it")
	requireLeft(0, 4)
	_, err = call(t.Context(), client, "forMethod")
	require.NoError(t, err, "and needs no key")
	requireLeft(0, 3)
	_, err = call(t.Context(), client, "forKey")
	require.Equal(t, codes.Unauthenticated, status.Code(err))

	_, err = call(bob, client, "five")
	requireStatus(t, err, codes.ResourceExhausted, retryIn(12*time.Minute), quota(violation("method", 10, "5 asked for, 3 left of 10")))
	_, err = call(alice, client, "fiveForMethod")
	requireStatus(t, err, codes.ResourceExhausted, retryIn(12*time.Minute), quota(violation("method", 10, "5 asked for, 3 left of 10")))
	_, err = call(alice, client, "five")
	s := requireStatus(t, err, codes.ResourceExhausted, retryIn(time.Hour), quota(
		violation("key", 5, "5 asked for, 0 left of 5"),
		violation("method", 10, "5 asked for, 3 left of 10"),
	))
	require.Equal(t, `rate limit "key": 5 asked for, 0 left of 5; rate limit "method": 5 asked for, 3 left of 10; retry after 1h0m0s`, s.Message())
	_, err = call(bob, client, "six")
	requireStatus(t, err, codes.ResourceExhausted, quota(violation("key", 5, "6 asked for, more than the 5 there can be")))
	requireLeft(0, 3)

	_, err = call(t.Context(), client, "free")
	require.NoError(t, err)
	requireLeft(0, 3)
}

func TestSeveralLimitsRedisIsAway(t *testing.T) {
	for mode, want := range map[ratelimit.FailureMode]codes.Code{
		ratelimit.FailOpen: codes.OK, ratelimit.FailClosed: codes.Unavailable,
	} {
		limits, _, _ := perKeyAndMethod(t, away{}, mode)
		unary, stream, err := grpclimit.ServerInterceptors(limits)
		require.NoError(t, err)
		client := limited(t, unary, stream)
		ctx := metadata.AppendToOutgoingContext(t.Context(), "key", "alice")
		_, err = call(ctx, client, "one")
		require.Equal(t, want, status.Code(err))
		_, err = call(ctx, client, "free")
		require.NoError(t, err)
		_, err = call(ctx, client, "six")
		requireStatus(t, err, codes.ResourceExhausted, quota(violation("key", 5, "6 asked for, more than the 5 there can be")))
	}
}

// While Redis is away, only a limit that could never allow the call denies it: nothing is
// known of another one, which fails closed.
func TestNeverAndClosed(t *testing.T) {
	closed := limiter(t, away{}, perHour(5), ratelimit.WithNamespace("closed"), ratelimit.WithFailureMode(ratelimit.FailClosed))
	small := limiter(t, away{}, perHour(2), ratelimit.WithNamespace("small"))
	three := func(context.Context, grpclimit.Call) int64 { return 3 }
	unary, stream, err := grpclimit.ServerInterceptors([]grpclimit.Limit{
		{Name: "closed", Limiter: closed, Identity: grpclimit.Peer, Cost: three},
		{Name: "small", Limiter: small, Identity: grpclimit.Peer, Cost: three},
	})
	require.NoError(t, err)
	_, err = call(t.Context(), limited(t, unary, stream), "hello")
	requireStatus(t, err, codes.ResourceExhausted, quota(violation("small", 2, "3 asked for, more than the 2 there can be")))
}

// A limit that fails closed while Redis is away does not deny a call that costs nothing
// under it.
func TestFreeAndClosed(t *testing.T) {
	var limits []grpclimit.Limit
	for i, name := range []string{"free", "closed"} {
		limits = append(limits, grpclimit.Limit{
			Name:     name,
			Limiter:  limiter(t, away{}, perHour(5), ratelimit.WithNamespace(name), ratelimit.WithFailureMode(ratelimit.FailClosed)),
			Identity: grpclimit.Peer,
			Cost:     func(context.Context, grpclimit.Call) int64 { return int64(i) },
		})
	}
	denied := make(chan *grpclimit.Denial, 1)
	unary, stream, err := grpclimit.ServerInterceptors(limits, grpclimit.WithDenied(func(_ context.Context, d *grpclimit.Denial) error {
		denied <- d
		return nil
	}))
	require.NoError(t, err)
	_, err = call(t.Context(), limited(t, unary, stream), "hello")
	requireStatus(t, err, codes.Unavailable, retryIn(time.Second))
	d := <-denied
	require.Len(t, d.Violations, 1)
	require.Equal(t, "closed", d.Violations[0].Limit)
}

func TestLimitsThatCannotBeJoined(t *testing.T) {
	l := limiter(t, away{}, perHour(1))
	for want, limits := range map[string][]grpclimit.Limit{
		"not made by New":            {{Limiter: &ratelimit.Limiter{}, Identity: grpclimit.Peer}},
		"have the namespace and":     {{Name: "a", Limiter: l, Identity: grpclimit.Peer}, {Name: "b", Limiter: l, Identity: grpclimit.Method}},
		"do not have the same store": {{Name: "a", Limiter: l, Identity: grpclimit.Peer}, {Name: "b", Limiter: limiter(t, redis(t), perHour(1)), Identity: grpclimit.Peer}},
	} {
		_, _, err := grpclimit.ServerInterceptors(limits)
		require.ErrorContains(t, err, want)
	}
}

// A change to the slice of limits has no effect once the interceptors are made.
func TestLimitsAreCopied(t *testing.T) {
	limits := []grpclimit.Limit{{Limiter: limiter(t, redis(t), perHour(1)), Identity: grpclimit.Method}}
	unary, _, err := grpclimit.ServerInterceptors(limits)
	require.NoError(t, err)
	limits[0] = grpclimit.Limit{}
	_, err = unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: echo}, func(context.Context, any) (any, error) { return nil, nil })
	require.NoError(t, err)
}

func TestDenialOfOnesOwn(t *testing.T) {
	d := &grpclimit.Denial{Code: codes.ResourceExhausted, RetryAfter: time.Second}
	require.EqualError(t, d, "grpclimit: ResourceExhausted: retry after 1s")
	requireStatus(t, d, codes.ResourceExhausted, retryIn(time.Second), quota())
	d.Call.Method, d.Violations = "/\xff/Method", []grpclimit.Violation{{Limit: "made up", Identity: ratelimit.NewIdentity("somebody")}}
	requireStatus(t, d, codes.ResourceExhausted, retryIn(time.Second), quota(&errdetails.QuotaFailure_Violation{
		Subject: "limit:made up", Description: "0 asked for, 0 left of 0", ApiService: "\uFFFD", QuotaId: "made up",
	}))
	require.EqualError(t, &grpclimit.Denial{}, "grpclimit: OK: retry after 0s")
	require.Equal(t, codes.OK, (&grpclimit.Denial{RetryAfter: 1}).GRPCStatus().Code())
}
