package main

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// A server that is stopped ends as soon as its clients are gone.
func TestServeEnds(t *testing.T) {
	limiter, listener := parts(t)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, limiter) }()

	client, err := dial(listener.Addr().String())
	require.NoError(t, err)
	watch, err := grpc_health_v1.NewHealthClient(client).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = watch.Recv()
	require.NoError(t, err)
	stop()
	require.NoError(t, client.Close())
	require.NoError(t, <-served)
}

func TestServeNeverBegins(t *testing.T) {
	limiter, listener := parts(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.NoError(t, serve(ctx, listener, limiter))
}

func TestServeFails(t *testing.T) {
	limiter, listener := parts(t)
	require.NoError(t, listener.Close())
	require.Error(t, serve(t.Context(), listener, limiter))
}

func parts(t *testing.T) (*ratelimit.Limiter, net.Listener) {
	redis, err := embedded.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, redis.Close()) })
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Second})
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return limiter, listener
}
