package grpclimit

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// UnaryServerInterceptor returns an interceptor that limits the unary calls that a server
// receives. It is that of [ServerInterceptors] for one limit, under which each call costs
// 1. The error names the argument that is wrong.
func UnaryServerInterceptor(limiter *ratelimit.Limiter, identity Identity, options ...ServerOption) (grpc.UnaryServerInterceptor, error) {
	unary, _, err := ServerInterceptors([]Limit{{Limiter: limiter, Identity: identity}}, options...)
	return unary, err
}

// StreamServerInterceptor is [UnaryServerInterceptor] for streams. Each stream costs 1
// when it begins. See also [WithMessages].
func StreamServerInterceptor(limiter *ratelimit.Limiter, identity Identity, options ...ServerOption) (grpc.StreamServerInterceptor, error) {
	_, stream, err := ServerInterceptors([]Limit{{Limiter: limiter, Identity: identity}}, options...)
	return stream, err
}

// ServerInterceptors returns interceptors that limit the calls that a server receives, by
// several limits at once. All of them must allow a call; if one denies it, none charges
// it. The error names the argument that is wrong.
//
// Put them before expensive work, and after whatever establishes the identity, such as
// authentication.
func ServerInterceptors(limits []Limit, options ...ServerOption) (grpc.UnaryServerInterceptor, grpc.StreamServerInterceptor, error) {
	g, err := newGuard(limits)
	if err != nil {
		return nil, nil, fmt.Errorf("grpclimit: %w", err)
	}
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option.applyServer(&g.config); err != nil {
			return nil, nil, fmt.Errorf("grpclimit: %w", err)
		}
	}
	s := server{g}
	return s.unary, s.stream, nil
}

type server struct{ *guard }

func (s server) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	call := Call{Method: info.FullMethod, Message: request}
	if !s.skipped(ctx, call) {
		if err := s.admit(ctx, call); err != nil {
			return nil, err
		}
	}
	return handler(ctx, request)
}

func (s server) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx := stream.Context()
	call := Call{Method: info.FullMethod, Stream: true}
	if s.skipped(ctx, call) {
		return handler(service, stream)
	}
	if err := s.admit(ctx, call); err != nil {
		return err
	}
	if s.messages && info.IsClientStream {
		stream = &serverStream{stream, s, call}
	}
	return handler(service, stream)
}

// serverStream is a stream whose messages are limited as they are received.
type serverStream struct {
	grpc.ServerStream
	server server
	call   Call
}

func (s *serverStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	call := s.call
	call.Message = m
	return s.server.admit(s.Context(), call)
}

// admit returns nil if the call is let through.
func (s server) admit(ctx context.Context, call Call) error {
	d, err := s.decide(ctx, call)
	if d == nil {
		return err
	}
	if s.pushback > 0 && d.RetryAfter > 0 {
		// SetTrailer fails only outside of a server's call, where there is no trailer.
		_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", pushback(d.RetryAfter, s.pushback)))
	}
	return s.answer(ctx, d)
}

// pushback returns wait in milliseconds, rounded up, or -1, which means do not retry, if
// wait is above longest or no wait helps.
func pushback(wait, longest time.Duration) string {
	if wait > longest || wait == algorithm.Never {
		return "-1"
	}
	ms := wait.Milliseconds()
	if wait%time.Millisecond > 0 {
		ms++
	}
	return strconv.FormatInt(ms, 10)
}
