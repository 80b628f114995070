// Package grpclimit limits gRPC calls by a [ratelimit.Limiter], at servers and at
// clients, unary ones and streams.
//
//	limits := []grpclimit.Limit{{Limiter: limiter, Identity: grpclimit.Peer}}
//	unary, stream, err := grpclimit.ServerInterceptors(limits)
//	…
//	server := grpc.NewServer(
//		grpc.ChainUnaryInterceptor(unary),
//		grpc.ChainStreamInterceptor(stream),
//	)
//
// Whom a call is limited as, an [Identity] says: by address ([Peer], [Address]), by
// API key ([Metadata]), by method ([Method]), by what an interceptor before this one
// has found out ([ContextValue]), by several ([First], [All]), or by a function of
// yours.
//
// # What a call that is not let through ends with
//
//	code               when                                  details
//	ResourceExhausted  a limit denies it                     RetryInfo, QuotaFailure
//	Unavailable        Redis is away, and the limiter fails  RetryInfo: 1 s
//	                   closed (the default is open)
//	Unauthenticated    its identity is unknown               none
//	Canceled or        its context ended before there was    none
//	DeadlineExceeded   a decision
//	InvalidArgument    its Cost is negative                  none
//
// RetryInfo has the exact time to wait, and is absent where no wait helps. QuotaFailure
// has a violation for each limit that denies the call: quota_id is the limit's name,
// quota_value the most that can be taken at once, subject "limit:" and the name. The
// identity is not in it, but with [WithPlainSubject]. The first three are a [*Denial],
// and [WithDenied] makes something else of them.
//
// A call that is let through carries nothing of all this: gRPC has no standard metadata
// for what remains.
//
// # Clients
//
//	unary, stream, err := grpclimit.ClientInterceptors(limits, grpclimit.WithWait(10*time.Second))
//	…
//	client, err := grpc.NewClient(target,
//		grpc.WithChainUnaryInterceptor(unary),
//		grpc.WithChainStreamInterceptor(stream),
//	)
//
// What is denied is not sent: the call fails with the same codes, or waits. So a
// fleet of clients keeps to the limit of a server that it shares.
package grpclimit
