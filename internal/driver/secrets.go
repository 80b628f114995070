package driver

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// Secrets keeps secrets out of errors that may have a server's words in them.
// What a server quotes is up to it: a Redis that does not know AUTH quotes the
// password. The zero value knows no secret. It is a func, so that no way of
// formatting what has it shows one.
type Secrets func(text string) bool

// Secrets returns those of the target.
func (t *Target) Secrets() Secrets {
	var pieces []string
	for _, secret := range []string{t.Password, t.SentinelPassword} {
		// The beginning, since quotations are cut short; also as %q writes it.
		// The text is cut as it is, since what is no UTF-8 would change on the way to runes
		// and back, and never be found.
		length := 0
		for range 8 {
			_, size := utf8.DecodeRuneInString(secret[length:])
			length += size
		}
		if piece := secret[:length]; piece != "" {
			pieces = append(pieces, piece, strings.Trim(strconv.Quote(piece), `"`))
		}
	}
	return func(text string) bool {
		return slices.ContainsFunc(pieces, func(piece string) bool { return strings.Contains(text, piece) })
	}
}

// in reports whether a secret is in text, or may be.
func (s Secrets) in(text string) bool { return strings.Contains(text, quoted) || s != nil && s(text) }

const (
	// quoted is where Redis begins to quote the arguments of a command that it does
	// not know: passwords in that of AUTH, keys in that of EVALSHA.
	quoted   = ", with args beginning with"
	withheld = "(what else it says is withheld: it quotes a secret)"
)

// Server is [Server] for a reply that may quote a secret: to a command that set up
// the connection.
func (s Secrets) Server(message string, cause error) error {
	if s.in(cause.Error()) {
		cause = nil
	}
	message, _, _ = strings.Cut(message, quoted)
	if s.in(message) {
		code := (&store.ServerError{Message: message}).Prefix()
		message, cause = strings.TrimSpace(code+" "+withheld), nil
	}
	return Server(message, cause)
}

// Wrap is [Wrap] for what a client says of a server whose words may be in it.
func (s Secrets) Wrap(ctx context.Context, name string, err error) error {
	if s.in(err.Error()) {
		var timeout interface{ Timeout() bool }
		err = &withheldError{timeout: errors.As(err, &timeout) && timeout.Timeout()}
	}
	return Wrap(ctx, name, err)
}

// withheldError is what is left of an error that quotes a secret.
type withheldError struct{ timeout bool }

func (e *withheldError) Error() string { return "the connection failed " + withheld }

// Timeout makes the error a timeout for those who ask by interface.
func (e *withheldError) Timeout() bool { return e.timeout }
