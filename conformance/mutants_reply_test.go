package conformance

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// replyMutants mishandle replies that are not flat arrays of integers.
var replyMutants = []mutant{
	{
		name:   "NilIsEmpty",
		broken: "A nil reply is taken for an empty array.",
		caught: "BadReply",
		open:   leniently(func(reply any) []int64 { return some(reply == nil) }),
	},
	{
		name:   "NilIsZero",
		broken: "A nil in an array is taken for 0.",
		caught: "BadReply",
		open: leniently(withElement(func(v any) []int64 {
			return some(v == nil, 0)
		})),
	},
	{
		name:   "LoneIntegerIsArray",
		broken: "An integer is taken for an array of one.",
		caught: "BadReply",
		open:   leniently(func(reply any) []int64 { n, ok := reply.(int64); return some(ok, n) }),
	},
	{
		name:   "StatusIsEmpty",
		broken: "A status reply is taken for an empty array.",
		caught: "BadReply",
		open:   leniently(func(reply any) []int64 { return some(reply == "OK") }),
	},
	{
		name:   "DigitsAreIntegers",
		broken: "Strings of digits are taken for integers.",
		caught: "BadReply",
		open: leniently(withElement(func(v any) []int64 {
			text, _ := v.(string)
			n, err := strconv.ParseInt(text, 10, 64)
			return some(err == nil, n)
		})),
	},
	{
		name:   "StringsAreZero",
		broken: "What is not an integer is taken for 0.",
		caught: "BadReply",
		open:   leniently(withElement(func(any) []int64 { return []int64{0} })),
	},
	{
		name:   "FlattensReplies",
		broken: "Arrays within a reply are made one with it.",
		caught: "BadReply",
		open: leniently(withElement(func(v any) []int64 {
			nested, err := strictly(v)
			return some(err == nil, nested...)
		})),
	},
	{
		name:   "DoublesAreIntegers",
		broken: "A double of RESP3 is cut to an integer.",
		caught: "BadReply",
		open: rawly(func(r *raw) {
			r.decode = func(reply any) ([]int64, error) {
				if array, ok := reply.([]any); ok {
					for i, v := range array {
						if f, ok := v.(float64); ok {
							array[i] = int64(f)
						}
					}
				}
				return strictly(reply)
			}
		}),
		onRedis: "the embedded one's Lua makes no doubles",
	},
	{
		name:   "SkipsOthers",
		broken: "What is not an integer is left out.",
		caught: "BadReply",
		open:   leniently(withElement(func(any) []int64 { return []int64{} })),
	},
	{
		name:   "SwallowsErrors",
		broken: "Errors are logged; Run returns none.",
		caught: "BadReply",
		open:   withError(func(context.Context, error) ([]int64, error) { return nil, nil }),
	},
	{
		name:   "AsksAgainForIntegers",
		broken: "A script whose reply is no array of integers is run again, in the hope of a better one.",
		caught: "BadReply",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			reply, err := c.run(ctx)
			if errors.Is(err, store.ErrReply) {
				return c.run(ctx)
			}
			return reply, err
		}),
	},
}

// some returns ints if ok, as a slice that is not nil, and nil otherwise.
func some(ok bool, ints ...int64) []int64 {
	if !ok {
		return nil
	}
	return append([]int64{}, ints...)
}

// leniently opens Stores that use read for the replies that a good Store refuses. A reply for
// which read returns nil is refused all the same.
func leniently(read func(reply any) []int64) func(parts) store.Store {
	return rawly(func(r *raw) {
		r.decode = func(reply any) ([]int64, error) {
			ints, err := strictly(reply)
			if err == nil {
				return ints, nil
			}
			if ints = read(reply); ints != nil {
				return ints, nil
			}
			return nil, err
		}
	})
}

// withElement reads arrays, and uses read for each element that is not an integer.
func withElement(read func(any) []int64) func(any) []int64 {
	return func(reply any) []int64 {
		array, ok := reply.([]any)
		if !ok {
			return nil
		}
		ints := []int64{}
		for _, v := range array {
			if n, ok := v.(int64); ok {
				ints = append(ints, n)
				continue
			}
			more := read(v)
			if more == nil {
				return nil
			}
			ints = slices.Concat(ints, more)
		}
		return ints
	}
}
