package grpclimit_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type text = wrapperspb.StringValue

// The methods of the test service. Each answers in upper case.
const (
	echo    = "/test.Echo/Unary"
	list    = "/test.Echo/List"    // the server sends the text three times
	collect = "/test.Echo/Collect" // the client sends many
	chat    = "/test.Echo/Chat"    // both send many
)

var echoService = grpc.ServiceDesc{
	ServiceName: "test.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Unary",
		Handler: func(_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			in := &text{}
			if err := decode(in); err != nil {
				return nil, err
			}
			handler := func(_ context.Context, in any) (any, error) {
				return wrapperspb.String(strings.ToUpper(in.(*text).GetValue())), nil
			}
			if interceptor == nil {
				return handler(ctx, in)
			}
			return interceptor(ctx, in, &grpc.UnaryServerInfo{FullMethod: echo}, handler)
		},
	}},
	Streams: []grpc.StreamDesc{
		{StreamName: "List", ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			in := &text{}
			if err := stream.RecvMsg(in); err != nil {
				return err
			}
			for range 3 {
				if err := stream.SendMsg(wrapperspb.String(strings.ToUpper(in.GetValue()))); err != nil {
					return err
				}
			}
			return nil
		}},
		{StreamName: "Collect", ClientStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			var all strings.Builder
			for {
				in := &text{}
				if err := stream.RecvMsg(in); err == io.EOF {
					return stream.SendMsg(wrapperspb.String(strings.ToUpper(all.String())))
				} else if err != nil {
					return err
				}
				all.WriteString(in.GetValue())
			}
		}},
		{StreamName: "Chat", ClientStreams: true, ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			for {
				in := &text{}
				if err := stream.RecvMsg(in); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
				if err := stream.SendMsg(wrapperspb.String(strings.ToUpper(in.GetValue()))); err != nil {
					return err
				}
			}
		}},
	},
}

var (
	listDesc    = &echoService.Streams[0]
	collectDesc = &echoService.Streams[1]
	chatDesc    = &echoService.Streams[2]
)

// serve serves the test service, and the health service, on listener until the test ends.
func serve(t testing.TB, listener net.Listener, options ...grpc.ServerOption) {
	server := grpc.NewServer(options...)
	server.RegisterService(&echoService, nil)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-served)
	})
}

// listen starts a server on a free TCP port, and returns its address.
func listen(t testing.TB, options ...grpc.ServerOption) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serve(t, listener, options...)
	return listener.Addr().String()
}

// dial connects a client to target until the test ends.
func dial(t testing.TB, target string, options ...grpc.DialOption) *grpc.ClientConn {
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	client, err := grpc.NewClient(target, options...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// limited starts a server with the interceptors and connects a client to it.
func limited(t testing.TB, unary grpc.UnaryServerInterceptor, stream grpc.StreamServerInterceptor) *grpc.ClientConn {
	return dial(t, listen(t, grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream)))
}

// call calls the unary method.
func call(ctx context.Context, client *grpc.ClientConn, in string, options ...grpc.CallOption) (string, error) {
	out := &text{}
	err := client.Invoke(ctx, echo, wrapperspb.String(in), out, options...)
	return out.GetValue(), err
}

// began is the time at which the clock of redis stands still.
var began = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func redis(t testing.TB) *embedded.Redis {
	r, err := embedded.Start()
	require.NoError(t, err)
	r.SetTime(began)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func limiter(t testing.TB, s store.Store, a algorithm.Algorithm, options ...ratelimit.Option) *ratelimit.Limiter {
	// On a busy machine Redis may take longer than the default timeout.
	l, err := ratelimit.New(s, a, append([]ratelimit.Option{ratelimit.WithTimeout(10 * time.Second)}, options...)...)
	require.NoError(t, err)
	return l
}

// perHour returns a limit of rate units an hour.
func perHour(rate int64) tokenbucket.Limit { return tokenbucket.Limit{Rate: rate, Period: time.Hour} }

// away is a store whose Redis cannot be reached.
type away struct{}

func (away) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	return nil, io.ErrUnexpectedEOF
}
