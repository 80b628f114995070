// Package store is the seam between the limiter and Redis: one interface of
// one method, the script that it runs, and the errors that it may return.
//
// Implement [Store] to use a Redis client that this module has no driver for.
// The package imports the standard library only.
package store

import "context"

// Store runs scripts on one Redis: a server, a Cluster, a Sentinel group.
//
// A Store may have abilities beside that: [Prompt], [Partitioned], [Pipelined],
// [Spanning]. One that has another in it and changes what that does must have those
// abilities of its own that it is to have, and not inherit them: runs go by them too.
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
//     An error because ctx ended wraps ctx.Err().
type Store interface {
	// Run runs s with keys as KEYS and the decimal form of args as ARGV, as one
	// atomic step, and returns the integers of the array that s replies with.
	Run(ctx context.Context, s *Script, keys []string, args []int64) ([]int64, error)
}

// Prompt is an ability that a Store may have.
//
// A Store whose Prompt method returns true promises that Run returns within
// moments of its context's deadline, whatever it is doing: dialling, shaking
// hands, waiting for a connection or for a reply. (A context that is cancelled
// early may go unnoticed until then.) The limiter, whose contexts all have a
// deadline, then calls Run on the caller's own goroutine. Without the promise it
// calls Run on another one, so that it can leave on time, at the price of a
// goroutine for each run.
type Prompt interface {
	Prompt() bool
}

// Partitioned is an ability that a Store may have: its Redis is several servers,
// each with some of the keys, so that not any keys may be in one run.
type Partitioned interface {
	// Partition returns the partition that key is in; a run may have any keys of
	// one. The servers' shares are ranges of partitions, or nearly so: keys that
	// many partitions lie between are likely to be on different servers. ok is
	// false, and that for every key, where any keys may be in one run.
	Partition(key string) (partition uint64, ok bool)
}

// Pipelined is an ability that a Store may have: it sends many runs at once, at
// less than the price of each alone. The limiter uses it where it may not put
// keys into one run, since they are of different partitions.
type Pipelined interface {
	// RunAll runs s once for each of runs, in any order, as Run would, and returns
	// when it is over for all. It sets Reply and Err of each: one may fail alone.
	// What holds for Run holds for each: it is run once at most, its Keys and Args
	// are neither kept nor modified, and the Store is Prompt or not.
	RunAll(ctx context.Context, s *Script, runs []Run)
}

// Spanning is an ability that a Store may have which is Partitioned: it knows which
// partitions are on one server, and runs scripts there on keys of several.
type Spanning interface {
	// Server returns the server that has partition, by any number that no other one has.
	// ok is false where that is not known, or where the servers would not refuse a script
	// the keys that they do not have; then a run keeps to one partition. All of it may
	// change at any time.
	Server(partition uint64) (server uint64, ok bool)
	// RunAcross runs s once for each of runs, as RunAll of [Pipelined] would, each on the
	// server that has its first key, and without any KEYS: ARGV is how many Keys it has,
	// these, and Args. Each has one key or more.
	//
	// If that server turns out not to have them all, s is to have written nothing, and to
	// reply with an error that begins with CROSSSLOT. Runs that are refused so, or by a
	// server that has become a replica (MASTERDOWN, LOADING), go again by RunAll or Run.
	RunAcross(ctx context.Context, s *Script, runs []Run)
}

// Run is one of the runs of [Pipelined] and [Spanning]: what Store.Run is given and returns.
type Run struct {
	Keys []string
	Args []int64

	Reply []int64
	Err   error
}
