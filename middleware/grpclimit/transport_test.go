package grpclimit_test

import (
	"context"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
)

// Peers, details and trailers also work if a net/http server serves the gRPC server.
func TestServeHTTP(t *testing.T) {
	unary, err := grpclimit.UnaryServerInterceptor(limiter(t, redis(t), perHour(1)), grpclimit.Peer,
		grpclimit.WithPlainSubject(), grpclimit.WithPushback(2*time.Hour))
	require.NoError(t, err)
	inner := grpc.NewServer(grpc.UnaryInterceptor(unary))
	inner.RegisterService(&echoService, nil)
	server := httptest.NewUnstartedServer(inner)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	defer inner.Stop()

	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client, err := grpc.NewClient(server.Listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, "")))
	require.NoError(t, err)
	defer client.Close()
	_, err = call(t.Context(), client, "hello")
	require.NoError(t, err)
	var trailer metadata.MD
	_, err = call(t.Context(), client, "hello", grpc.Trailer(&trailer))
	requireStatus(t, err, codes.ResourceExhausted, retryIn(time.Hour), quota(&errdetails.QuotaFailure_Violation{
		Subject:     "ip:127.0.0.1",
		Description: "1 asked for, 0 left of 1",
		ApiService:  "test.Echo",
		QuotaId:     "default",
		QuotaValue:  1,
	}))
	require.Equal(t, []string{"3600000"}, trailer["grpc-retry-pushback-ms"])
}

// In memory and on a Unix socket, clients have no address. Their calls are refused,
// instead of sharing one limit.
func TestNoAddress(t *testing.T) {
	unary, err := grpclimit.UnaryServerInterceptor(limiter(t, redis(t), perHour(5)), grpclimit.Peer)
	require.NoError(t, err)

	memory := bufconn.Listen(1 << 16)
	serve(t, memory, grpc.UnaryInterceptor(unary))
	client := dial(t, "passthrough:///memory", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return memory.DialContext(ctx)
	}))
	_, err = call(t.Context(), client, "hello")
	requireStatus(t, err, codes.Unauthenticated)

	path := t.TempDir() + "/socket"
	socket, err := net.Listen("unix", path)
	require.NoError(t, err)
	serve(t, socket, grpc.UnaryInterceptor(unary))
	_, err = call(t.Context(), dial(t, "unix://"+path), "hello")
	requireStatus(t, err, codes.Unauthenticated)
}
