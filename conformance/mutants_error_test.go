package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// errorMutants mishandle errors that the server replied with.
var errorMutants = []mutant{
	{
		name:   "LosesErrorType",
		broken: "An error of the server's is returned as mere text.",
		caught: "ServerError",
		open:   withServerError(func(e *store.ServerError) ([]int64, error) { return nil, errors.New(e.Error()) }),
	},
	{
		name:   "LosesErrorPrefix",
		broken: "An error of the server's lacks its first word.",
		caught: "ServerError",
		open: withServerError(func(e *store.ServerError) ([]int64, error) {
			_, rest, _ := strings.Cut(e.Message, " ")
			return nil, &store.ServerError{Message: rest}
		}),
	},
	{
		name:   "NamesItselfInErrors",
		broken: "An error of the server's begins with the name of the Store.",
		caught: "ServerError",
		open: withServerError(func(e *store.ServerError) ([]int64, error) {
			return nil, &store.ServerError{Message: "mystore: " + e.Message}
		}),
	},
	{
		name:   "AddsToErrors",
		broken: "An error of the server's ends with a remark.",
		caught: "ServerError",
		open: withServerError(func(e *store.ServerError) ([]int64, error) {
			return nil, &store.ServerError{Message: e.Message + " (giving up)"}
		}),
	},
	{
		name:   "SwallowsServerErrors",
		broken: "An error of the server's is logged; Run returns none.",
		caught: "ServerError",
		open:   withServerError(func(*store.ServerError) ([]int64, error) { return nil, nil }),
	},
	{
		name:   "BlamesTheReply",
		broken: "An error of the server's is called a bad reply.",
		caught: "ServerError",
		open:   withServerError(func(e *store.ServerError) ([]int64, error) { return nil, store.BadReply(e.Message) }),
	},
	{
		name:   "FormatsErrors",
		broken: "The message of an error of the server's is taken for a format.",
		caught: "ServerError",
		open: withError(func(_ context.Context, err error) ([]int64, error) {
			if server := (*store.ServerError)(nil); errors.As(err, &server) {
				format := server.Message
				return nil, &store.ServerError{Message: fmt.Sprintf(format, []any{}...)}
			}
			return nil, err
		}),
	},
	{
		name:   "FindsNoScriptAnywhere",
		broken: "EVAL follows EVALSHA after an error that has NOSCRIPT anywhere in its text.",
		caught: "ServerError",
		open: rawly(func(r *raw) {
			r.run = func(ctx context.Context, r raw, s *store.Script, keys []string, args []int64) ([]int64, error) {
				reply, err := r.do(ctx, "EVALSHA", s.SHA1(), keys, args)
				if err != nil && strings.Contains(err.Error(), "NOSCRIPT") {
					return r.do(ctx, "EVAL", s.Source(), keys, args)
				}
				return reply, err
			}
		}),
	},
	{
		name:   "TakesAnyErrorForNoScript",
		broken: "EVAL follows EVALSHA after whatever error the server replied with.",
		caught: "ServerError",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			reply, err := c.run(ctx)
			if isServer(err) {
				return c.run(ctx)
			}
			return reply, err
		}),
	},
}

// withServerError opens Stores that change the server's errors.
func withServerError(change func(*store.ServerError) ([]int64, error)) func(parts) store.Store {
	return withError(func(_ context.Context, err error) ([]int64, error) {
		if server := (*store.ServerError)(nil); errors.As(err, &server) {
			return change(server)
		}
		return nil, err
	})
}
