package goredis

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// reply takes in the reply to a command as go-redis reads it, and keeps the integers if it
// is a flat array of them. It is the io.Writer of a redis.RawWriteToCmd, which writes to it
// each line of the reply without its end, then the end, and, for a string, its contents
// after that.
//
// redis.Cmd would allocate each integer by itself, and redis.IntSliceCmd makes integers of
// values that are none.
type reply struct {
	ints []int64
	want int  // how many ints the array has; -1 before its header
	skip int  // bytes of a string's contents still to come
	end  bool // the end of a line comes next
	// bad has the type of the first value that should not be there, if isBad is true.
	bad   any
	isBad bool
}

// replyError is an error reply. go-redis treats it like an error reply that it has read
// itself: it does not close the connection, and follows redirections.
type replyError string

func (e replyError) Error() string { return string(e) }

// RedisError implements redis.Error.
func (replyError) RedisError() {}

// errProtocol makes go-redis close the connection.
var errProtocol = errors.New("the reply breaks the protocol")

// maxRoom is the most integers for which room is made because of a header alone.
const maxRoom = 4096

// Write implements io.Writer. It returns an error reply as an error, which go-redis has then
// read to its end.
func (r *reply) Write(p []byte) (int, error) {
	switch {
	case r.end:
		r.end = false
	case r.skip > 0:
		r.skip -= len(p)
	case len(p) == 0:
		return 0, errProtocol
	default:
		r.end = true
		if err := r.line(p[0], p[1:]); err != nil {
			*r = reply{want: -1} // after a redirection comes another reply
			return 0, err
		}
	}
	return len(p), nil
}

// line takes in one line: kind is its first byte, and rest is what follows.
func (r *reply) line(kind byte, rest []byte) error {
	switch kind {
	case '-':
		if r.want < 0 {
			return replyError(rest)
		}
		r.refuse(replyError(""))
	case '*':
		n, err := strconv.Atoi(string(rest))
		switch {
		case err != nil:
			return errProtocol
		case r.want >= 0:
			r.refuse([]any(nil))
		case n < 0:
			r.want = 0
			r.refuse(nil)
		default:
			r.want = n
			r.ints = make([]int64, 0, min(n, maxRoom))
		}
	case ':':
		n, err := strconv.ParseInt(string(rest), 10, 64)
		switch {
		case err != nil:
			return errProtocol
		case r.want < 0:
			r.want = 0
			r.refuse(n)
		default:
			r.ints = append(r.ints, n)
		}
	default:
		return r.other(kind, rest)
	}
	return nil
}

// other takes in a line of a value that has no place in an array of integers.
func (r *reply) other(kind byte, rest []byte) error {
	var value any
	switch kind {
	case '+':
		value = ""
	case '$', '=', '!':
		n, err := strconv.Atoi(string(rest))
		if err != nil {
			return errProtocol
		}
		if n >= 0 {
			value = ""
			r.skip = n + len("\r\n")
		}
	case ',':
		value = 0.0
	case '#':
		value = false
	case '(':
		value = (*big.Int)(nil)
	case '%', '|':
		value = map[any]any(nil)
	case '~', '>':
		value = []any(nil)
	case '_':
	default:
		return errProtocol
	}
	r.want = max(r.want, 0)
	r.refuse(value)
	return nil
}

// refuse notes the first value that should not be there. The reply is still read to its end,
// so that the connection stays usable.
func (r *reply) refuse(value any) {
	if !r.isBad {
		r.bad, r.isBad = value, true
	}
}

// integers returns the integers of a reply that has been read.
func (r *reply) integers() ([]int64, error) {
	switch {
	case r.isBad:
		return nil, store.BadReply(r.bad)
	case r.want < 0:
		return nil, fmt.Errorf("%s: %w", name, errNotRun)
	case len(r.ints) != r.want:
		return nil, store.BadReply(r.ints)
	}
	return r.ints, nil
}
