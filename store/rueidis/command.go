package rueidis

import (
	"strconv"

	client "github.com/redis/rueidis"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// command returns the command that runs script, which is a digest or a source, with keys and
// the decimal forms of args, which are parts of one string. Across slots, the keys are not
// declared as such: they are args, after their number. The first key still tells the client
// where to send the command. rueidis does not send such a command again by itself, because
// it is not built as one that may be retried.
func command(b client.Builder, verb, script string, keys []string, args []int64, across bool) client.Completed {
	var room [512]byte
	var places [64]int
	text, ends := room[:0], places[:0]
	for _, arg := range args {
		text = strconv.AppendInt(text, arg, 10)
		ends = append(ends, len(text))
	}
	all, start := string(text), 0
	c, count := b.Arbitrary(verb, script), strconv.Itoa(len(keys))
	switch {
	case !across:
		c = c.Args(count).Keys(keys...)
	case len(keys) == 0:
		c = c.Args("0", count)
	default:
		c = c.Args("0", count).Keys(keys[0]).Args(keys[1:]...)
	}
	for _, end := range ends {
		c = c.Args(all[start:end])
		start = end
	}
	return c.Build()
}

// decode returns the integers of a reply that is a flat array of them. The client's own
// AsIntSlice makes integers of values that are none.
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

// badReply returns the error for a message that should not be there. It names the type of
// the message.
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
