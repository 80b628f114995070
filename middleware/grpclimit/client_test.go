package grpclimit_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
)

// count counts what a server receives: calls, and messages of streams.
type count struct{ calls, messages atomic.Int64 }

func (c *count) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.UnaryInterceptor(func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			c.calls.Add(1)
			return handler(ctx, in)
		}),
		grpc.StreamInterceptor(func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			c.calls.Add(1)
			return handler(service, countedStream{stream, c})
		}),
	}
}

type countedStream struct {
	grpc.ServerStream
	*count
}

func (s countedStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if err == nil {
		s.messages.Add(1)
	}
	return err
}

func TestUnaryClientDenied(t *testing.T) {
	r := redis(t)
	unary, err := grpclimit.UnaryClientInterceptor(limiter(t, r, perHour(7)), grpclimit.Target)
	require.NoError(t, err)
	var server count
	client := dial(t, listen(t, server.options()...), grpc.WithUnaryInterceptor(unary))
	for range 7 {
		_, err := call(t.Context(), client, "hello")
		require.NoError(t, err)
	}
	_, err = call(t.Context(), client, "hello")
	requireStatus(t, err, codes.ResourceExhausted, retryIn(wait), quota(&errdetails.QuotaFailure_Violation{
		Subject:     "limit:default",
		Description: "1 asked for, 0 left of 7",
		QuotaId:     "default",
		QuotaValue:  7,
	}))
	var d *grpclimit.Denial
	require.ErrorAs(t, err, &d)
	require.Equal(t, wait, d.RetryAfter)
	require.Equal(t, "target:"+client.CanonicalTarget(), d.Violations[0].Identity.Reveal())
	require.EqualError(t, err, `grpclimit: ResourceExhausted: not sent: rate limit "default": 1 asked for, 0 left of 7; retry after 8m34.285715s`)
	require.EqualValues(t, 7, server.calls.Load())

	r.Advance(wait)
	_, err = call(t.Context(), client, "hello")
	require.NoError(t, err)
}

func TestStreamClientDenied(t *testing.T) {
	stream, err := grpclimit.StreamClientInterceptor(limiter(t, redis(t), perHour(1)), grpclimit.Target)
	require.NoError(t, err)
	var server count
	client := dial(t, listen(t, server.options()...), grpc.WithStreamInterceptor(stream))
	s, err := client.NewStream(t.Context(), chatDesc, chat)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, s.SendMsg(wrapperspb.String("hi")))
		require.NoError(t, s.RecvMsg(&text{}))
	}
	_, err = client.NewStream(t.Context(), chatDesc, chat)
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.EqualValues(t, 1, server.calls.Load())
	require.NoError(t, s.CloseSend())
	require.ErrorIs(t, s.RecvMsg(&text{}), io.EOF)
}

func TestClientMessages(t *testing.T) {
	_, stream, err := grpclimit.ClientInterceptors(
		[]grpclimit.Limit{{Limiter: limiter(t, redis(t), perHour(4)), Identity: grpclimit.Method}}, grpclimit.WithMessages())
	require.NoError(t, err)
	var server count
	var inner context.Context
	note := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
		inner = ctx
		return streamer(ctx, desc, cc, method, options...)
	}
	client := dial(t, listen(t, server.options()...), grpc.WithChainStreamInterceptor(stream, note))

	s, err := client.NewStream(t.Context(), chatDesc, chat)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, s.SendMsg(wrapperspb.String("hi")))
		require.NoError(t, s.RecvMsg(&text{}))
	}
	err = s.SendMsg(wrapperspb.String("hi"))
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	var d *grpclimit.Denial
	require.ErrorAs(t, err, &d)
	require.Equal(t, "hi", d.Call.Message.(*text).GetValue())
	require.Equal(t, codes.Canceled, status.Code(s.RecvMsg(&text{})), "an error of Send aborts a stream")
	require.ErrorIs(t, s.SendMsg(wrapperspb.String("hi")), io.EOF)
	require.EqualValues(t, 3, server.messages.Load())

	s, err = client.NewStream(t.Context(), collectDesc, collect)
	require.NoError(t, err)
	for _, in := range []string{"a", "b", "c"} {
		require.NoError(t, s.SendMsg(wrapperspb.String(in)))
	}
	require.NoError(t, s.CloseSend())
	out := &text{}
	require.NoError(t, inner.Err())
	require.NoError(t, s.RecvMsg(out))
	require.Equal(t, "ABC", out.GetValue())
	<-inner.Done() // an ended stream leaves nothing behind in its caller's context

	for range 4 {
		s, err = client.NewStream(t.Context(), listDesc, list)
		require.NoError(t, err)
		require.NoError(t, s.SendMsg(wrapperspb.String("hi")))
		require.NoError(t, s.CloseSend())
		for range 3 {
			require.NoError(t, s.RecvMsg(&text{}))
		}
		require.ErrorIs(t, s.RecvMsg(&text{}), io.EOF)
	}
}

// Sending on a stream that the server has ended returns io.EOF, even if the limit would
// deny the message.
func TestClientMessagesOfEndedStream(t *testing.T) {
	_, stream, err := grpclimit.ClientInterceptors(
		[]grpclimit.Limit{{Limiter: limiter(t, redis(t), perHour(1)), Identity: grpclimit.Method}}, grpclimit.WithMessages())
	require.NoError(t, err)
	ended := func(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error {
		return status.Error(codes.DataLoss, "ended")
	}
	client := dial(t, listen(t, grpc.StreamInterceptor(ended)), grpc.WithStreamInterceptor(stream))
	s, err := client.NewStream(t.Context(), chatDesc, chat)
	require.NoError(t, err)
	require.Equal(t, codes.DataLoss, status.Code(s.RecvMsg(&text{})))
	require.ErrorIs(t, s.SendMsg(wrapperspb.String("hi")), io.EOF)
}

// A stream ends with its caller's context and leaves nothing behind.
func TestClientMessagesContextEnds(t *testing.T) {
	_, stream, err := grpclimit.ClientInterceptors(
		[]grpclimit.Limit{{Limiter: limiter(t, redis(t), perHour(9)), Identity: grpclimit.Method}}, grpclimit.WithMessages())
	require.NoError(t, err)
	client := dial(t, listen(t), grpc.WithStreamInterceptor(stream))
	ctx, cancel := context.WithCancel(t.Context())
	s, err := client.NewStream(ctx, chatDesc, chat)
	require.NoError(t, err)
	require.NoError(t, s.SendMsg(wrapperspb.String("hi")))
	require.NoError(t, s.RecvMsg(&text{}))
	cancel()
	require.Equal(t, codes.Canceled, status.Code(s.RecvMsg(&text{})))
	require.Error(t, s.SendMsg(wrapperspb.String("hi")))
	_, err = client.NewStream(ctx, chatDesc, chat)
	requireStatus(t, err, codes.Canceled)
}

func TestStreamerFails(t *testing.T) {
	_, stream, err := grpclimit.ClientInterceptors(
		[]grpclimit.Limit{{Limiter: limiter(t, redis(t), perHour(9)), Identity: grpclimit.Method}}, grpclimit.WithMessages())
	require.NoError(t, err)
	cause := errors.New("cause")
	var inner context.Context
	_, err = stream(t.Context(), chatDesc, dial(t, "passthrough:///nowhere"), chat,
		func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
			inner = ctx
			return nil, cause
		})
	require.Equal(t, cause, err)
	require.Error(t, inner.Err(), "it is released")
}

func TestClientRedisIsAway(t *testing.T) {
	for mode, want := range map[ratelimit.FailureMode]codes.Code{
		ratelimit.FailOpen: codes.OK, ratelimit.FailClosed: codes.Unavailable,
	} {
		unary, err := grpclimit.UnaryClientInterceptor(
			limiter(t, away{}, perHour(1), ratelimit.WithFailureMode(mode)), grpclimit.Target, grpclimit.WithWait(time.Hour))
		require.NoError(t, err)
		var server count
		client := dial(t, listen(t, server.options()...), grpc.WithUnaryInterceptor(unary))
		_, err = call(t.Context(), client, "hello")
		require.Equal(t, want, status.Code(err))
		if mode == ratelimit.FailClosed {
			require.Zero(t, server.calls.Load())
		}
	}
}

// At a client, Metadata reads what is sent with the call, and Peer is the peer of the
// incoming call whose handler makes it.
func TestClientOnBehalf(t *testing.T) {
	key, err := grpclimit.Metadata("x-api-key")
	require.NoError(t, err)
	both := grpclimit.All(grpclimit.Peer, key)
	unary, err := grpclimit.UnaryClientInterceptor(limiter(t, redis(t), perHour(1)), both)
	require.NoError(t, err)
	behind := dial(t, listen(t), grpc.WithUnaryInterceptor(unary))

	front := dial(t, listen(t, grpc.UnaryInterceptor(
		func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-api-key", in.(*text).GetValue())
			out, err := call(ctx, behind, "hello")
			var d *grpclimit.Denial
			if errors.As(err, &d) && len(d.Violations) == 1 {
				return nil, status.Error(codes.Aborted, d.Violations[0].Identity.Reveal())
			}
			return wrapperspb.String(out), err
		})))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "of the first call")
	for range 2 {
		_, err = call(ctx, front, "bob")
	}
	require.Equal(t, codes.Aborted, status.Code(err))
	require.Equal(t, "all:12:ip:127.0.0.122:metadata:x-api-key:bob", status.Convert(err).Message())
	_, err = call(t.Context(), behind, "hello")
	require.Equal(t, codes.Unauthenticated, status.Code(err), "no incoming call")
}
