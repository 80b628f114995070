package grpclimit_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

// demo has an embedded Redis, and closes it together with the servers and clients of
// connect.
type demo struct {
	redis   *embedded.Redis
	closers []func()
}

func newDemo() *demo {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	redis.SetTime(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)) // its clock stands still
	return &demo{redis: redis, closers: []func(){func() { redis.Close() }}}
}

func (d *demo) close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		d.closers[i]()
	}
}

func (d *demo) limiter(limit tokenbucket.Limit, namespace string) *ratelimit.Limiter {
	limiter, err := ratelimit.New(d.redis, limit, ratelimit.WithNamespace(namespace),
		ratelimit.WithTimeout(10*time.Second)) // not 250 ms: the machine may be busy with tests
	if err != nil {
		log.Fatal(err)
	}
	return limiter
}

// connect starts a server of gRPC's health checks, and returns a client of it.
func (d *demo) connect(server []grpc.ServerOption, client ...grpc.DialOption) healthpb.HealthClient {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer(server...)
	healthpb.RegisterHealthServer(s, health.NewServer())
	go func() { _ = s.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), append(client, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		log.Fatal(err)
	}
	d.closers = append(d.closers, s.Stop, func() { conn.Close() })
	return healthpb.NewHealthClient(conn)
}

var (
	ctx   = context.Background()
	check = &healthpb.HealthCheckRequest{}
)

// This example limits gRPC's own service for health checks, because it is at hand.
func ExampleUnaryServerInterceptor() {
	d := newDemo()
	defer d.close()
	limiter := d.limiter(tokenbucket.Limit{Rate: 1, Period: 10 * time.Second}, "myapp")

	unary, err := grpclimit.UnaryServerInterceptor(limiter, grpclimit.Peer)
	if err != nil {
		log.Fatal(err)
	}
	client := d.connect([]grpc.ServerOption{grpc.ChainUnaryInterceptor(unary)})

	for range 2 {
		_, err := client.Check(ctx, check)
		fmt.Println(status.Code(err))
		for _, detail := range status.Convert(err).Details() {
			switch detail := detail.(type) {
			case *errdetails.RetryInfo:
				fmt.Println("retry after", detail.GetRetryDelay().AsDuration())
			case *errdetails.QuotaFailure:
				v := detail.GetViolations()[0]
				fmt.Printf("limit %q: %s\n", v.GetQuotaId(), v.GetDescription())
			}
		}
	}
	// Output:
	// OK
	// ResourceExhausted
	// retry after 10s
	// limit "default": 1 asked for, 0 left of 1
}

func ExampleStreamServerInterceptor() {
	d := newDemo()
	defer d.close()
	limiter := d.limiter(tokenbucket.Limit{Rate: 1, Period: 10 * time.Second}, "myapp")

	stream, err := grpclimit.StreamServerInterceptor(limiter, grpclimit.Peer)
	if err != nil {
		log.Fatal(err)
	}
	client := d.connect([]grpc.ServerOption{grpc.ChainStreamInterceptor(stream)})

	for range 2 {
		watch, err := client.Watch(ctx, check)
		if err == nil {
			_, err = watch.Recv()
		}
		fmt.Println(status.Code(err))
	}
	// Output:
	// OK
	// ResourceExhausted
}

// Each key may call once in ten seconds, and all keys together may call each method ten
// times in ten seconds, where a stream counts as five calls. A call that one limit denies
// is charged to none.
func ExampleServerInterceptors() {
	d := newDemo()
	defer d.close()
	perKey := d.limiter(tokenbucket.Limit{Rate: 1, Period: 10 * time.Second}, "key")
	perMethod := d.limiter(tokenbucket.Limit{Rate: 10, Period: 10 * time.Second}, "method")

	key, err := grpclimit.Metadata("x-api-key")
	if err != nil {
		log.Fatal(err)
	}
	unary, stream, err := grpclimit.ServerInterceptors([]grpclimit.Limit{
		{Name: "key", Limiter: perKey, Identity: key},
		{Name: "method", Limiter: perMethod, Identity: grpclimit.Method, Cost: func(_ context.Context, call grpclimit.Call) int64 {
			if call.Stream {
				return 5
			}
			return 1
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	client := d.connect([]grpc.ServerOption{grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(stream)})

	for _, key := range []string{"alice", "bob", "alice", ""} {
		_, err := client.Check(metadata.AppendToOutgoingContext(ctx, "x-api-key", key), check)
		fmt.Println(key, status.Code(err))
	}
	left, err := perMethod.Peek(ctx, "method:/grpc.health.v1.Health/Check")
	fmt.Println(left.Remaining, err)
	// Output:
	// alice OK
	// bob OK
	// alice ResourceExhausted
	//  Unauthenticated
	// 8 <nil>
}

func ExampleUnaryClientInterceptor() {
	d := newDemo()
	defer d.close()
	limiter := d.limiter(tokenbucket.Limit{Rate: 1, Period: 10 * time.Second}, "upstream")

	unary, err := grpclimit.UnaryClientInterceptor(limiter, grpclimit.Method)
	if err != nil {
		log.Fatal(err)
	}
	client := d.connect(nil, grpc.WithChainUnaryInterceptor(unary))

	for range 2 {
		_, err := client.Check(ctx, check)
		var denial *grpclimit.Denial
		if errors.As(err, &denial) { // it was not sent
			fmt.Println(denial.Code, denial.RetryAfter)
			continue
		}
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// ResourceExhausted 10s
}

func ExampleStreamClientInterceptor() {
	d := newDemo()
	defer d.close()
	limiter := d.limiter(tokenbucket.Limit{Rate: 1, Period: 10 * time.Second}, "upstream")

	stream, err := grpclimit.StreamClientInterceptor(limiter, grpclimit.Service)
	if err != nil {
		log.Fatal(err)
	}
	client := d.connect(nil, grpc.WithChainStreamInterceptor(stream))

	for range 2 {
		_, err := client.Watch(ctx, check)
		fmt.Println(status.Code(err))
	}
	// Output:
	// OK
	// ResourceExhausted
}

// A fleet of clients sends at most a thousand calls a second in all, however these are
// spread over the clients. Further calls wait, for up to five seconds.
func ExampleClientInterceptors() {
	d := newDemo()
	defer d.close()
	d.redis.SetTime(time.Time{}) // the real clock
	limiter := d.limiter(tokenbucket.Limit{Rate: 1000, Period: time.Second, Burst: 1}, "upstream")

	unary, stream, err := grpclimit.ClientInterceptors(
		[]grpclimit.Limit{{Limiter: limiter, Identity: grpclimit.Target}},
		grpclimit.WithWait(5*time.Second),
	)
	if err != nil {
		log.Fatal(err)
	}
	client := d.connect(nil, grpc.WithChainUnaryInterceptor(unary), grpc.WithChainStreamInterceptor(stream))

	begin := time.Now()
	for range 5 {
		if _, err := client.Check(ctx, check); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(time.Since(begin) >= 4*time.Millisecond)
	// Output: true
}

func ExampleAddress() {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	address, err := grpclimit.Address(httplimit.Address{Trusted: proxies})
	if err != nil {
		log.Fatal(err)
	}
	for _, from := range []string{"10.0.0.7", "192.0.2.1"} {
		ctx := peer.NewContext(ctx, &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP(from), Port: 40000}})
		ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("x-forwarded-for", "127.0.0.1, 198.51.100.9"))
		fmt.Println(address(ctx, grpclimit.Call{}))
	}
	// Output:
	// ip:198.51.100.9
	// ip:192.0.2.1
}

// The user is the one whom an earlier interceptor has authenticated.
func ExampleContextValue() {
	type userKey struct{}
	user, err := grpclimit.ContextValue("user", func(ctx context.Context) string {
		name, _ := ctx.Value(userKey{}).(string)
		return name
	})
	if err != nil {
		log.Fatal(err)
	}
	// Each user on each method.
	identity := grpclimit.All(user, grpclimit.Method)

	authenticated := context.WithValue(ctx, userKey{}, "alice")
	fmt.Println(identity(authenticated, grpclimit.Call{Method: "/pkg.Service/Get"}))
	fmt.Printf("%q\n", identity(ctx, grpclimit.Call{Method: "/pkg.Service/Get"}))
	// Output:
	// all:16:value:user:alice23:method:/pkg.Service/Get
	// ""
}

func ExampleFirst() {
	key, err := grpclimit.Metadata("x-api-key")
	if err != nil {
		log.Fatal(err)
	}
	identity := grpclimit.First(key, grpclimit.Peer)

	ctx := peer.NewContext(ctx, &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 40000}})
	fmt.Println(identity(ctx, grpclimit.Call{}))
	ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("x-api-key", "alice"))
	fmt.Println(identity(ctx, grpclimit.Call{}))
	// Output:
	// first1:ip:192.0.2.1
	// first0:metadata:x-api-key:alice
}

func ExampleWithDenied() {
	d := newDemo()
	defer d.close()
	limiter := d.limiter(tokenbucket.Limit{Rate: 1, Period: 10 * time.Second}, "myapp")

	unary, err := grpclimit.UnaryServerInterceptor(limiter, grpclimit.Peer,
		grpclimit.WithDenied(func(_ context.Context, d *grpclimit.Denial) error {
			if d.Code != codes.ResourceExhausted {
				return nil // as it is
			}
			return status.Errorf(d.Code, "see https://docs.example/limits; again in %v", d.RetryAfter)
		}),
	)
	if err != nil {
		log.Fatal(err)
	}
	client := d.connect([]grpc.ServerOption{grpc.ChainUnaryInterceptor(unary)})
	for range 2 {
		_, err := client.Check(ctx, check)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// rpc error: code = ResourceExhausted desc = see https://docs.example/limits; again in 10s
}
