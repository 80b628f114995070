// Package store is the seam between the limiter and Redis: one interface of
// one method, the script that it runs, and the errors that it may return.
//
// Implement [Store] to use a Redis client that this module has no driver for.
// The package imports the standard library only.
package store

import "context"

// Store runs scripts on one Redis: a server, a Cluster, or a Sentinel group.
//
// A Store may have optional abilities: [Prompt], [Partitioned], [Pipelined],
// [Spanning]. A Store that wraps another one to change what it does must not embed
// it, or it would inherit these abilities, and some runs would bypass the wrapper.
// It should implement those it wants.
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
//     A reply that is not a flat array of integers is, or wraps, [ErrReply].
//     An error because ctx ended wraps ctx.Err(); if it had ended before Run was
//     called, nothing is run. A deadline that was set on a socket from ctx's may pass
//     a moment before ctx.Err() is non-nil: the error then wraps
//     [context.DeadlineExceeded] all the same. (So compare ctx's deadline with the
//     time, as examples/customstore does.) An error for any other reason, such as a
//     timeout of the client's own, wraps none of these, nor
//     [context.DeadlineExceeded] or [context.Canceled].
type Store interface {
	// Run runs s with keys as KEYS and the decimal form of args as ARGV, as one
	// atomic step, and returns the integers of the array that s replies with.
	Run(ctx context.Context, s *Script, keys []string, args []int64) ([]int64, error)
}

// Prompt is an optional ability of a Store.
//
// A Store whose Prompt method returns true promises that Run returns within
// moments of its context's deadline, whatever it is doing: dialling, shaking
// hands, waiting for a connection or for a reply. (If the context is cancelled
// earlier, Run may notice that only at the deadline.) The limiter, whose contexts
// all have a deadline, then calls Run on the caller's own goroutine. Without the
// promise it calls Run on another goroutine, so that the caller can leave on time,
// at the price of a goroutine for each run.
type Prompt interface {
	Prompt() bool
}

// Partitioned is an optional ability of a Store whose Redis is several servers, each of
// which has some of the keys, so that not all keys can be together in one run. Its method
// is safe for concurrent use, as are those of the other abilities.
type Partitioned interface {
	// Partition returns the partition that key is in. All keys of a run must be of
	// one partition. Each server has a range of partitions, or nearly so: keys whose
	// partitions are far apart are likely to be on different servers. ok is false,
	// for every key, if any keys may be in one run.
	Partition(key string) (partition uint64, ok bool)
}

// Pipelined is an optional ability of a Store: it sends many runs together, for less
// than the price of each alone. The limiter uses it where keys cannot be in one run
// because they are of different partitions.
type Pipelined interface {
	// RunAll runs s once for each of runs, in any order, as Run would, and returns
	// when all are over. It sets Reply and Err of each; one may fail alone. What holds
	// for Run holds for each: it is run at most once, and its Keys and Args are neither
	// kept nor modified. RunAll is prompt if Run is.
	RunAll(ctx context.Context, s *Script, runs []Run)
}

// Spanning is an optional ability of a [Partitioned] Store: it knows which partitions
// are on the same server, and runs scripts there on keys of several partitions.
type Spanning interface {
	// Server returns the server that has partition, as any number that is that server's
	// alone. ok is false if the server is not known, or if it would not stop a script
	// from using keys that other servers have; then a run keeps to one partition. The
	// answers may change at any time.
	Server(partition uint64) (server uint64, ok bool)
	// RunAcross runs s once for each of runs, as RunAll of [Pipelined] would, each on the
	// server that has its first key. Each run has at least one key, but s gets no KEYS:
	// its ARGV is the number of Keys, then the Keys, then Args.
	//
	// If that server turns out not to have all the keys, s has to write nothing, and to
	// reply with an error that begins with CROSSSLOT. Runs that are refused so, or by a
	// server that has become a replica (MASTERDOWN, LOADING), go again by RunAll or Run.
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
