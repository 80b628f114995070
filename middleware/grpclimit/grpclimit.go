// Package grpclimit limits gRPC calls by a [ratelimit.Limiter], at servers and at clients,
// for unary calls and for streams.
//
//	limits := []grpclimit.Limit{{Limiter: limiter, Identity: grpclimit.Peer}}
//	unary, stream, err := grpclimit.ServerInterceptors(limits)
//	…
//	server := grpc.NewServer(
//		grpc.ChainUnaryInterceptor(unary),
//		grpc.ChainStreamInterceptor(stream),
//	)
//
// An [Identity] says what a call is limited by: its address ([Peer], [Address]), its API
// key ([Metadata]), its method ([Method]), a value that an earlier interceptor has found
// ([ContextValue]), several of these ([First], [All]), or a function of your own.
//
// # How a call that is not let through ends
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
// RetryInfo has the exact time to wait, and is absent if no wait helps. QuotaFailure has a
// violation for each limit that denies the call: quota_id is the limit's name, quota_value
// is the most that can be taken at once, and subject is "limit:" and the name. The
// identity is included only with [WithPlainSubject]. The first three are a [*Denial],
// which [WithDenied] can replace by another error.
//
// A call that is let through carries none of this: gRPC has no standard metadata for what
// remains.
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
// A denied call is not sent: it fails with the same codes, or waits. So a fleet of clients
// stays within the limit of a server that they share.
package grpclimit
