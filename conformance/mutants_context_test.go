package conformance

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// contextMutants mishandle contexts and their ends, for the run whose context it is or for
// other runs.
var contextMutants = []mutant{
	{
		name:   "IgnoresContext",
		broken: "The context is ignored.",
		caught: "ContextEnded",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			return c.run(context.WithoutCancel(ctx))
		}),
	},
	{
		name:   "SendsAllTheSame",
		broken: "A run whose context has ended is sent, although nobody waits for it.",
		caught: "ContextEnded",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			reply, err := c.run(context.WithoutCancel(ctx))
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return reply, err
		}),
	},
	{
		name:   "NamesNoContext",
		broken: "The error of a run whose context had ended says so, but does not wrap the context's.",
		caught: "ContextEnded",
		open: withError(func(ctx context.Context, err error) ([]int64, error) {
			if ctx.Err() != nil {
				return nil, errors.New("mystore: " + err.Error())
			}
			return nil, err
		}),
	},
	{
		name:   "NeedsDeadline",
		broken: "The time that is left until the context's deadline is taken to be there, and is none where there is no deadline.",
		caught: "NoDeadline",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			deadline, _ := ctx.Deadline()
			ctx, cancel := context.WithTimeout(ctx, time.Until(deadline))
			defer cancel()
			return c.run(ctx)
		}),
	},
	{
		name:   "LeavesDeadlines",
		broken: "The deadline of a context is set on the connection, and left there for a run without one.",
		caught: "NoDeadline",
		open: each(func() alter {
			var mu sync.Mutex
			var socket time.Time
			return func(ctx context.Context, c call) ([]int64, error) {
				mu.Lock()
				if deadline, ok := ctx.Deadline(); ok {
					socket = deadline
				}
				late := !socket.IsZero() && time.Now().After(socket)
				mu.Unlock()
				if ctx.Err() == nil && late {
					return nil, os.ErrDeadlineExceeded
				}
				return c.run(ctx)
			}
		}),
	},
	{
		name:   "CancelledIsLate",
		broken: "The error of a run that was cancelled says that its deadline has passed.",
		caught: "ContextEnds",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			answered := make(chan answer, 1)
			go func() {
				reply, err := c.run(context.WithoutCancel(ctx))
				answered <- answer{reply, err}
			}()
			select {
			case a := <-answered:
				return a.reply, a.err
			case <-ctx.Done():
				return nil, context.DeadlineExceeded
			}
		}),
	},
	{
		name:   "MakesUpTimeouts",
		broken: "A run that is given up returns the client's timeout instead of the context's error.",
		caught: "ContextEnds",
		open: whereItEnds(func(context.Context, call) ([]int64, error) {
			return nil, errors.New("mystore: i/o timeout")
		}),
	},
	{
		name:   "NothingAndNoError",
		broken: "A run that is given up returns neither a reply nor an error.",
		caught: "ContextEnds",
		open:   whereItEnds(func(context.Context, call) ([]int64, error) { return nil, nil }),
	},
	{
		name:   "TriesAgainAfterTimeouts",
		broken: "A run that is given up is sent again, to be sure.",
		caught: "ContextEnds",
		open: whereItEnds(func(ctx context.Context, c call) ([]int64, error) {
			_, _ = c.run(context.WithoutCancel(ctx))
			return nil, ctx.Err()
		}),
	},
	{
		name:   "PromisesToBePrompt",
		broken: "It promises to be prompt, and waits for the reply all the same.",
		caught: "Prompt",
		open: func(p parts) store.Store {
			return prompted{always(func(ctx context.Context, c call) ([]int64, error) {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				reply, err := c.run(context.WithoutCancel(ctx))
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return reply, err
			})(p)}
		},
	},
	{
		name:   "LeavesRepliesBehind",
		broken: "The reply to a run that was given up is given to a later one.",
		caught: "Neighbours",
		open:   each(leaveBehind),
	},
	{
		name:   "BreaksTheCircuit",
		broken: "After a run that was given up all others fail for a while.",
		caught: "Neighbours",
		open: each(func() alter {
			var mu sync.Mutex
			var until time.Time
			return func(ctx context.Context, c call) ([]int64, error) {
				mu.Lock()
				open := time.Now().Before(until)
				mu.Unlock()
				switch {
				case ctx.Err() != nil:
					return nil, ctx.Err()
				case open:
					return nil, errors.New("mystore: the circuit is open")
				}
				reply, err := c.run(ctx)
				if errors.Is(err, context.DeadlineExceeded) {
					mu.Lock()
					until = time.Now().Add(20 * time.Millisecond)
					mu.Unlock()
				}
				return reply, err
			}
		}),
	},
}

// whereItEnds opens Stores that return what otherwise does if a deadline passes during a Run.
func whereItEnds(otherwise alter) func(parts) store.Store {
	return always(func(ctx context.Context, c call) ([]int64, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		reply, err := c.run(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return otherwise(ctx, c)
		}
		return reply, err
	})
}

// prompted is a Store that promises to be prompt.
type prompted struct{ store.Store }

func (prompted) Prompt() bool { return true }

type answer struct {
	reply []int64
	err   error
}

// leaveBehind keeps the replies to runs that were given up, and gives them to later runs.
func leaveBehind() alter {
	late := make(chan []int64, 10_000)
	return func(ctx context.Context, c call) ([]int64, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		select {
		case reply := <-late:
			return reply, nil
		default:
		}
		answered := make(chan answer)
		go func() {
			reply, err := c.run(context.WithoutCancel(ctx))
			select {
			case answered <- answer{reply, err}:
			case <-ctx.Done():
				late <- reply
			}
		}()
		select {
		case a := <-answered:
			return a.reply, a.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
