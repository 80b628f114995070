package rueidis

import (
	"strconv"

	client "github.com/redis/rueidis"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// command returns the command that runs script, which is a digest or a source,
// with keys, and the numbers as arguments. It is not one that rueidis sends again
// by itself: that would take another way to build it.
func command(b client.Builder, verb, script string, keys, numbers []string) client.Completed {
	return b.Arbitrary(verb, script, strconv.Itoa(len(keys))).Keys(keys...).Args(numbers...).Build()
}

// decimals returns the decimal forms of args, which are parts of one string.
func decimals(args []int64) []string {
	var room [256]byte
	text := room[:0]
	ends := make([]int, 0, 32) // on the stack, for a run of ordinary size
	for _, arg := range args {
		text = strconv.AppendInt(text, arg, 10)
		ends = append(ends, len(text))
	}
	all, start := string(text), 0
	numbers := make([]string, len(args))
	for i, end := range ends {
		numbers[i] = all[start:end]
		start = end
	}
	return numbers
}

// decode returns the integers of a reply that is a flat array of them. The
// client's own AsIntSlice makes integers of what is none.
func decode(message *client.RedisMessage) ([]int64, error) {
	if !message.IsArray() {
		return nil, badReply(message)
	}
	elements, err := message.ToArray()
	if err != nil {
		return nil, badReply(message)
	}
	ints := make([]int64, len(elements))
	for i := range elements {
		if ints[i], err = elements[i].ToInt64(); err != nil {
			return nil, badReply(&elements[i])
		}
	}
	return ints, nil
}

// badReply names the type of a message that should not be.
func badReply(message *client.RedisMessage) error {
	if message.IsNil() {
		return store.BadReply(nil)
	}
	value, err := message.ToAny()
	if err != nil {
		return store.BadReply(err)
	}
	return store.BadReply(value)
}
