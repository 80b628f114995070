package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/grpclimit"
)

// careless calls as alice, as fast as it can. When the calls become too many, they are
// denied and told when to come back.
func careless(ctx context.Context, addr string, calls int, out io.Writer) error {
	client, err := dial(addr)
	if err != nil {
		return err
	}
	defer client.Close()
	for range calls {
		reply, err := call(ctx, client, "alice")
		fmt.Fprintln(out, "alice:", describe(reply, err))
	}
	return ctx.Err()
}

// careful calls as bob, who limits himself: each call waits for up to a minute until it
// may be sent.
func careful(ctx context.Context, addr string, own *ratelimit.Limiter, calls int, out io.Writer) error {
	wait, err := grpclimit.UnaryClientInterceptor(own, grpclimit.Target, grpclimit.WithWait(time.Minute))
	if err != nil {
		return err
	}
	client, err := dial(addr, grpc.WithChainUnaryInterceptor(wait))
	if err != nil {
		return err
	}
	defer client.Close()
	begin := time.Now()
	for range calls {
		reply, err := call(ctx, client, "bob")
		fmt.Fprintf(out, "bob, after %v: %s\n", time.Since(begin).Round(100*time.Millisecond), describe(reply, err))
	}
	return ctx.Err()
}

func dial(addr string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient(addr, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
}

// call asks for a greeting for name, which is also the API key.
func call(ctx context.Context, client *grpc.ClientConn, name string) (string, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, "x-api-key", name)
	reply := &text{}
	err := client.Invoke(ctx, greet, wrapperspb.String(name), reply)
	return reply.GetValue(), err
}

// describe returns the outcome of a call. If the call was denied, it includes the details
// that a client can act on.
func describe(reply string, err error) string {
	if err == nil {
		return reply
	}
	failed := status.Convert(err)
	text := failed.Code().String()
	for _, detail := range failed.Details() {
		switch d := detail.(type) {
		case *errdetails.RetryInfo:
			text += fmt.Sprintf(", retry in %v", d.GetRetryDelay().AsDuration())
		case *errdetails.QuotaFailure:
			for _, v := range d.GetViolations() {
				text += fmt.Sprintf(", limit %q: %s", v.GetQuotaId(), v.GetDescription())
			}
		}
	}
	return text
}
