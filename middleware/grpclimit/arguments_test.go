package grpclimit_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

func TestBadArguments(t *testing.T) {
	l := limiter(t, away{}, perHour(1))
	good := grpclimit.Limit{Limiter: l, Identity: grpclimit.Peer}
	type limits = []grpclimit.Limit
	for want, test := range map[string]struct {
		limits limits
		option grpclimit.Option
	}{
		"no limits":                             {},
		"limits[0]: Limiter is nil":             {limits: limits{{Identity: grpclimit.Peer}}},
		"limits[0]: Identity is nil":            {limits: limits{{Limiter: l}}},
		`limits[0]: Name is "a\nb": must be of`: {limits: limits{{Name: "a\nb", Limiter: l, Identity: grpclimit.Peer}}},
		`limits[0]: Name is "é": must be of`:    {limits: limits{{Name: "é", Limiter: l, Identity: grpclimit.Peer}}},
		`limits[1]: Name is "default", as that`: {limits: limits{good, good}},
		"WithSkip: skip is nil":                 {limits{good}, grpclimit.WithSkip(nil)},
		"WithDenied: denied is nil":             {limits{good}, grpclimit.WithDenied(nil)},
		"WithNoIdentityCode: code is OK":        {limits{good}, grpclimit.WithNoIdentityCode(codes.OK)},
		"WithNoIdentityCode: code is Code(17)":  {limits{good}, grpclimit.WithNoIdentityCode(17)},
	} {
		t.Run(want, func(t *testing.T) {
			unary, stream, err := grpclimit.ServerInterceptors(test.limits, test.option)
			require.ErrorContains(t, err, "grpclimit: "+want)
			require.Nil(t, unary)
			require.Nil(t, stream)
			unaryClient, streamClient, err := grpclimit.ClientInterceptors(test.limits, test.option)
			require.ErrorContains(t, err, "grpclimit: "+want)
			require.Nil(t, unaryClient)
			require.Nil(t, streamClient)
		})
	}
	for want, option := range map[string]grpclimit.ServerOption{
		"WithPushback: longest is 999.999µs: must": grpclimit.WithPushback(time.Millisecond - 1),
		"WithPushback: longest is -1s: must":       grpclimit.WithPushback(-time.Second),
	} {
		_, _, err := grpclimit.ServerInterceptors(limits{good}, option)
		require.ErrorContains(t, err, "grpclimit: "+want)
	}
	for want, option := range map[string]grpclimit.ClientOption{
		"WithWait: longest is 0s: must":  grpclimit.WithWait(0),
		"WithWait: longest is -1s: must": grpclimit.WithWait(-time.Second),
	} {
		_, _, err := grpclimit.ClientInterceptors(limits{good}, option)
		require.ErrorContains(t, err, "grpclimit: "+want)
	}
	_, _, err := grpclimit.ServerInterceptors(limits{good}, nil, grpclimit.WithPushback(math.MaxInt64))
	require.NoError(t, err, "a nil option is none")
}

func TestSingleLimitBadArguments(t *testing.T) {
	l := limiter(t, away{}, perHour(1))
	_, err := grpclimit.UnaryServerInterceptor(nil, grpclimit.Peer)
	require.EqualError(t, err, "grpclimit: limits[0]: Limiter is nil")
	_, err = grpclimit.StreamServerInterceptor(l, nil)
	require.EqualError(t, err, "grpclimit: limits[0]: Identity is nil")
	_, err = grpclimit.UnaryClientInterceptor(l, grpclimit.First())
	require.EqualError(t, err, "grpclimit: limits[0]: Identity is nil")
	_, err = grpclimit.StreamClientInterceptor(l, grpclimit.All(grpclimit.Peer, nil))
	require.EqualError(t, err, "grpclimit: limits[0]: Identity is nil")
}

func TestIdentityBadArguments(t *testing.T) {
	for _, key := range []string{"", "a b", "a:b", ":authority", "é", "a\x00", "grpc-timeout", "GRPC-status"} {
		identity, err := grpclimit.Metadata(key)
		require.ErrorContains(t, err, "grpclimit: metadata key is")
		require.Nil(t, identity)
	}
	for _, hosts := range [][]string{nil, {"a", ""}} {
		identity, err := grpclimit.Authority(hosts...)
		require.ErrorContains(t, err, "grpclimit: ")
		require.Nil(t, identity)
	}
	identity, err := grpclimit.Address(httplimit.Address{Hops: -1})
	require.ErrorContains(t, err, "Hops is -1")
	require.Nil(t, identity)
	value := func(context.Context) string { return "" }
	for _, name := range []string{"", "a:b"} {
		identity, err := grpclimit.ContextValue(name, value)
		require.ErrorContains(t, err, "grpclimit: name of a context value is ")
		require.Nil(t, identity)
	}
	identity, err = grpclimit.ContextValue("user", nil)
	require.EqualError(t, err, `grpclimit: function of context value "user" is nil`)
	require.Nil(t, identity)
}
