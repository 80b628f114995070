package grpclimit

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"

	"github.com/distributed-rate-limiter/ratelimit"
)

// UnaryClientInterceptor returns an interceptor that limits the unary calls that a client
// sends. A denied call is not sent: it fails with a [*Denial] of code ResourceExhausted,
// or waits, see [WithWait]. The interceptor is that of [ClientInterceptors] for one limit,
// under which each call costs 1. The error names the argument that is wrong.
func UnaryClientInterceptor(limiter *ratelimit.Limiter, identity Identity, options ...ClientOption) (grpc.UnaryClientInterceptor, error) {
	unary, _, err := ClientInterceptors([]Limit{{Limiter: limiter, Identity: identity}}, options...)
	return unary, err
}

// StreamClientInterceptor is [UnaryClientInterceptor] for streams. Each stream costs 1
// when it begins. See also [WithMessages].
func StreamClientInterceptor(limiter *ratelimit.Limiter, identity Identity, options ...ClientOption) (grpc.StreamClientInterceptor, error) {
	_, stream, err := ClientInterceptors([]Limit{{Limiter: limiter, Identity: identity}}, options...)
	return stream, err
}

// ClientInterceptors returns interceptors that limit the calls that a client sends, by
// several limits at once. All of them must allow a call; if one denies it, none charges
// it. The error names the argument that is wrong.
//
// Attempts that gRPC itself repeats, under the retry policy of a service config, count as
// one call.
func ClientInterceptors(limits []Limit, options ...ClientOption) (grpc.UnaryClientInterceptor, grpc.StreamClientInterceptor, error) {
	g, err := newGuard(limits)
	if err != nil {
		return nil, nil, fmt.Errorf("grpclimit: %w", err)
	}
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option.applyClient(&g.config); err != nil {
			return nil, nil, fmt.Errorf("grpclimit: %w", err)
		}
	}
	c := client{g}
	return c.unary, c.stream, nil
}

type client struct{ *guard }

func (c client) unary(ctx context.Context, method string, request, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, options ...grpc.CallOption) error {
	call := Call{Method: method, Message: request, Target: target(cc), Client: true}
	if !c.skipped(ctx, call) {
		if err := c.admit(ctx, call); err != nil {
			return err
		}
	}
	return invoker(ctx, method, request, reply, cc, options...)
}

// target returns where calls of a connection go, or "" if there is none, as in a test.
func target(cc *grpc.ClientConn) string {
	if cc == nil {
		return ""
	}
	return cc.CanonicalTarget()
}

func (c client) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	call := Call{Method: method, Target: target(cc), Client: true, Stream: true}
	if c.skipped(ctx, call) {
		return streamer(ctx, desc, cc, method, options...)
	}
	if err := c.admit(ctx, call); err != nil {
		return nil, err
	}
	if !c.messages || !desc.ClientStreams {
		return streamer(ctx, desc, cc, method, options...)
	}
	ctx, cancel := context.WithCancel(ctx)
	options = append(slices.Clip(options), grpc.OnFinish(func(error) { cancel() }))
	stream, err := streamer(ctx, desc, cc, method, options...)
	if err != nil {
		cancel()
		return nil, err
	}
	return &clientStream{stream, c, call, ctx, cancel}, nil
}

// clientStream is a stream whose messages are limited as they are sent.
type clientStream struct {
	grpc.ClientStream
	client client
	call   Call
	ctx    context.Context // ends with the stream; ClientStream.Context would end retries
	cancel context.CancelFunc
}

// SendMsg aborts the stream if the message is denied, as gRPC requires of any error.
func (s *clientStream) SendMsg(m any) error {
	call := s.call
	call.Message = m
	err := s.client.admit(s.ctx, call)
	if err == nil || s.ctx.Err() != nil { // a stream that is over reports that itself
		return s.ClientStream.SendMsg(m)
	}
	s.cancel()
	return err
}
