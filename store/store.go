// Package store is the seam between the limiter and Redis: one interface of
// one method, the script that it runs, and the errors that it may return.
//
// Implement [Store] to use a Redis client that this module has no driver for.
// The package imports the standard library only.
package store

import "context"

// Store runs scripts on one Redis: a server, a Cluster, or a Sentinel group.
//
// A Store may have optional abilities: [Prompt], [Partitioned], [Pipelined], [Spanning]. A
// Store that wraps another one to change what it does must not embed it, because it would
// inherit these abilities, and some runs would bypass the wrapper. It should implement the
// abilities it wants.
//
// An implementation keeps these rules.
//
//  1. Run is safe for any number of goroutines.
//  2. Run executes the script at most once. It never repeats a run whose
//     outcome it does not know (a timeout, a broken connection): the units may
//     have been taken already, and taking them twice is worse than an error.
//  3. Run works whether or not the server has the script cached: EVALSHA, and
//     EVAL when the server answers NOSCRIPT (then nothing ran, so rule 2 holds).
//  4. Run neither keeps nor modifies keys and args once it has returned.
//  5. An error that the server replied with is, or wraps, a [*ServerError].
//     The error for a reply that is not a flat array of integers is, or wraps,
//     [ErrReply]. If Run fails because ctx ended, the error wraps ctx.Err(). If ctx
//     had ended before Run was called, nothing is run. A socket deadline that was set
//     from ctx's deadline may pass a moment before ctx.Err() is non-nil: the error
//     wraps [context.DeadlineExceeded] all the same. (So compare ctx's deadline with
//     the time, as examples/customstore does.) An error for any other reason, such as
//     a timeout of the client's own, wraps none of these, nor
//     [context.DeadlineExceeded] or [context.Canceled].
type Store interface {
	// Run runs s with keys as KEYS and the decimal form of args as ARGV, as one
	// atomic step, and returns the integers of the array that s replies with.
	Run(ctx context.Context, s *Script, keys []string, args []int64) ([]int64, error)
}

// Prompt is an optional ability of a Store.
//
// A Store whose Prompt method returns true promises that Run returns within moments of its
// context's deadline, whatever it is doing: dialling, shaking hands, waiting for a
// connection or for a reply. (If the context is cancelled earlier, Run may not notice before
// the deadline.) The limiter, whose contexts all have a deadline, then calls Run on the
// caller's own goroutine. Without the promise it calls Run on another goroutine, so that the
// caller can leave on time, at the price of a goroutine for each run.
type Prompt interface {
	Prompt() bool
}

// Partitioned is an optional ability of a Store whose Redis is several servers, each of
// which has some of the keys, so that not all keys can be in one run. Its method is safe for
// concurrent use, as are the methods of the other abilities.
type Partitioned interface {
	// Partition returns the partition that key is in. All keys of a run must be in one
	// partition. Each server has a range of partitions, or nearly so: keys whose partitions
	// are far apart are likely to be on different servers. If any keys may be in one run, ok
	// is false for every key.
	Partition(key string) (partition uint64, ok bool)
}

// Pipelined is an optional ability of a Store that can send many runs together, at less cost
// than one by one. The limiter uses it when keys cannot be in one run because they are in
// different partitions.
type Pipelined interface {
	// RunAll runs s once for each of runs, in any order, as Run would, and returns when all
	// are over. It sets Reply and Err of each; one run may fail while others succeed. The
	// rules for Run hold for each of runs: it is run at most once, and its Keys and Args are
	// neither kept nor modified. RunAll is prompt if Run is.
	RunAll(ctx context.Context, s *Script, runs []Run)
}

// Spanning is an optional ability of a [Partitioned] Store that knows which partitions are
// on the same server, and can run a script there on keys of several partitions.
type Spanning interface {
	// Server returns the server that has partition, as a number that no other server has. ok
	// is false if the server is not known, or if it would not stop a script from using keys
	// of other servers. A run must then keep to one partition. The answers may change at any
	// time.
	Server(partition uint64) (server uint64, ok bool)
	// RunAcross runs s once for each of runs, as RunAll of [Pipelined] would, each on the
	// server that has the run's first key. Each run has at least one key, but s gets no
	// KEYS: its ARGV is the number of Keys, then the Keys, then Args.
	//
	// If that server turns out not to have all the keys, s must write nothing, and reply
	// with an error that begins with CROSSSLOT. The limiter repeats such runs with RunAll or
	// Run, and also those that a server refuses because it has become a replica (MASTERDOWN,
	// LOADING).
	RunAcross(ctx context.Context, s *Script, runs []Run)
}

// Run is one of the runs of [Pipelined] and [Spanning].
type Run struct {
	// Keys and Args are what Store.Run is given.
	Keys []string
	Args []int64

	// Reply and Err are what Store.Run returns.
	Reply []int64
	Err   error
}
