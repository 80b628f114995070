package main

import (
	"context"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
)

// serve serves the greeter until ctx ends. Then it lets calls in flight finish.
func serve(ctx context.Context, listener net.Listener, limiter *ratelimit.Limiter) error {
	// A public server must check the key first: a client gets a fresh limit for each key
	// that it makes up.
	key, err := grpclimit.Metadata("x-api-key")
	if err != nil {
		return err
	}
	unary, stream, err := grpclimit.ServerInterceptors(
		[]grpclimit.Limit{{Name: "client", Limiter: limiter, Identity: grpclimit.First(key, grpclimit.Peer)}},
		grpclimit.WithSkip(grpclimit.HealthAndReflection),
	)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(stream))
	server.RegisterService(&greeter, nil)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	late := time.AfterFunc(15*time.Second, server.Stop)
	defer late.Stop()
	server.GracefulStop()
	if err := <-failed; err != nil && !errors.Is(err, grpc.ErrServerStopped) { // ctx ended before Serve had begun
		return err
	}
	return nil
}
