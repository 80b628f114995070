package store

import (
	"errors"
	"fmt"
	"strings"
)

// ErrReply reports that a script's reply was not a flat array of integers. Limiters also
// wrap it if the integers are not a reply that their script can give.
var ErrReply = errors.New("store: reply is not an array of integers")

// BadReply returns an error that wraps [ErrReply] and says what came instead. It names the
// type of got, never its contents.
func BadReply(got any) error {
	return fmt.Errorf("%w: got %T", ErrReply, got)
}

// ServerError is an error that Redis itself replied with, as opposed to an error of the
// connection to Redis. Find it with [errors.As].
type ServerError struct {
	// Message is the text of the reply, such as "NOPERM this user has no permissions".
	Message string
}

// Error returns the message as Redis sent it, after "redis: ".
func (e *ServerError) Error() string { return "redis: " + e.Message }

// Prefix returns the first word of the message if it is one of Redis's upper-case
// error codes (NOSCRIPT, LOADING, NOPERM, OOM, …), otherwise "".
func (e *ServerError) Prefix() string {
	word, _, _ := strings.Cut(e.Message, " ")
	for _, c := range []byte(word) {
		if c < 'A' || c > 'Z' {
			return ""
		}
	}
	return word
}
