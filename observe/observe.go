// Package observe provides observers that need only the standard library: [Hooks] calls
// functions of yours, [Slog] writes to a log, [Counts] counts decisions and failures, and
// [Top] finds the identities that are denied most.
//
//	var counts observe.Counts
//	limiter, err := ratelimit.New(store, limit,
//		ratelimit.WithObserver(&counts),
//		ratelimit.WithObserver(observe.Slog(logger)),
//		ratelimit.WithObserver(observe.Hooks{OnBlock: audit}),
//	)
//
// One observer may serve any number of limiters.
package observe
