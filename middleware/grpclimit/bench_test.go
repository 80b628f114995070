package grpclimit_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// empty is a store that answers at once, always with the same reply.
type empty []int64

func (e empty) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) { return e, nil }
func (empty) Prompt() bool                                                             { return true }

// BenchmarkUnary measures what the interceptors add to a decision, on a store that answers
// at once. Decision and JointDecision are without interceptors: they have the texts of the
// identities ready.
func BenchmarkUnary(b *testing.B) {
	allowed := &empty{1_780_000_000_000_000, 0, 9, 360_000_000}
	denied := &empty{1_780_000_000_000_000, 1, 0, 360_000_000}
	ctx := peer.NewContext(b.Context(), &peer.Peer{Addr: tcp("[2001:db8:1:2:3:4:5:6]:443")})
	ctx = metadata.NewIncomingContext(ctx, metadata.Pairs(":authority", "api.example", "user-agent", "grpc-go", "x-api-key", "alice"))
	key := must(grpclimit.Metadata("x-api-key"))
	request := wrapperspb.String("hello")

	b.Run("Decision", func(b *testing.B) {
		l := limiter(b, allowed, perHour(10))
		b.ReportAllocs()
		for b.Loop() {
			if r, err := l.Allow(ctx, "ip:2001:db8:1:2::/64"); err != nil || !r.Allowed {
				b.Fatal(r, err)
			}
		}
	})
	for name, identity := range map[string]grpclimit.Identity{
		"Method": grpclimit.Method, "Metadata": key, "Peer": grpclimit.Peer,
		"First": grpclimit.First(key, grpclimit.Peer), "All": grpclimit.All(key, grpclimit.Peer),
	} {
		b.Run("Intercepted/"+name, func(b *testing.B) {
			unary, err := grpclimit.UnaryServerInterceptor(limiter(b, allowed, perHour(10)), identity,
				grpclimit.WithSkip(grpclimit.HealthAndReflection))
			require.NoError(b, err)
			benchmarkUnary(b, ctx, request, unary, codes.OK)
		})
	}
	b.Run("Denied", func(b *testing.B) {
		unary, err := grpclimit.UnaryServerInterceptor(limiter(b, denied, perHour(10)), grpclimit.Method)
		require.NoError(b, err)
		benchmarkUnary(b, ctx, request, unary, codes.ResourceExhausted)
	})

	joint := &empty{1_780_000_000_000_000, 0, 9, 360_000_000, 0, 9, 360_000_000}
	limiters := []*ratelimit.Limiter{
		limiter(b, joint, perHour(10), ratelimit.WithNamespace("a")),
		limiter(b, joint, perHour(10), ratelimit.WithNamespace("b")),
	}
	b.Run("JointDecision", func(b *testing.B) {
		j, err := ratelimit.Join(limiters...)
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			if r, err := j.AllowN(ctx, ratelimit.Part{Identity: "ip:2001:db8:1:2::/64", N: 1}, ratelimit.Part{Identity: "method:" + echo, N: 1}); err != nil || !r.Allowed {
				b.Fatal(r, err)
			}
		}
	})
	b.Run("JointIntercepted", func(b *testing.B) {
		unary, _, err := grpclimit.ServerInterceptors([]grpclimit.Limit{
			{Name: "a", Limiter: limiters[0], Identity: grpclimit.Peer},
			{Name: "b", Limiter: limiters[1], Identity: grpclimit.Method},
		})
		require.NoError(b, err)
		benchmarkUnary(b, ctx, request, unary, codes.OK)
	})
}

func benchmarkUnary(b *testing.B, ctx context.Context, request any, unary grpc.UnaryServerInterceptor, want codes.Code) {
	info := &grpc.UnaryServerInfo{FullMethod: echo}
	handler := func(context.Context, any) (any, error) { return nil, nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := unary(ctx, request, info, handler); status.Code(err) != want {
			b.Fatal(err)
		}
	}
}

// BenchmarkCall measures a whole call over TCP, with a limit and without.
func BenchmarkCall(b *testing.B) {
	unary, err := grpclimit.UnaryServerInterceptor(limiter(b, &empty{1_780_000_000_000_000, 0, 9, 360_000_000}, perHour(10)), grpclimit.Peer)
	require.NoError(b, err)
	for name, options := range map[string][]grpc.ServerOption{"Unlimited": nil, "Limited": {grpc.UnaryInterceptor(unary)}} {
		b.Run(name, func(b *testing.B) {
			client := dial(b, listen(b, options...))
			ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(ctx, client, "hello"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
