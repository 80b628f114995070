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

// Secrets keeps secrets out of errors that may contain a server's words. What a server
// quotes is up to the server: a Redis that does not know AUTH quotes the password. The zero
// Secrets knows no secret. Secrets is a func, so that formatting a value that contains one
// never shows a secret.
type Secrets func(text string) bool

// Secrets returns the target's secrets.
func (t *Target) Secrets() Secrets {
	var pieces []string
	for _, secret := range []string{t.Password, t.SentinelPassword} {
		// Look for the first 8 characters, because quotations are cut short, and for the
		// same as %q writes them. The piece is cut from the string itself: bytes that are
		// not UTF-8 would change on the way to runes and back, and would never be found.
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

// in reports whether text contains a secret, or may contain one.
func (s Secrets) in(text string) bool { return strings.Contains(text, quoted) || s != nil && s(text) }

const (
	// quoted is where Redis begins to quote the arguments of a command that it does not
	// know: passwords for AUTH, keys for EVALSHA.
	quoted   = ", with args beginning with"
	withheld = "(what else it says is withheld: it quotes a secret)"
)

// Server is [Server] for a reply that may quote a secret, because it answers a command that
// set up the connection.
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

// Wrap is [Wrap] for an error of the client that may contain a server's words.
func (s Secrets) Wrap(ctx context.Context, name string, err error) error {
	if s.in(err.Error()) {
		var timeout interface{ Timeout() bool }
		err = &withheldError{timeout: errors.As(err, &timeout) && timeout.Timeout()}
	}
	return Wrap(ctx, name, err)
}

// withheldError takes the place of an error that quotes a secret.
type withheldError struct{ timeout bool }

func (e *withheldError) Error() string { return "the connection failed " + withheld }

// Timeout makes the error a timeout for callers that ask by interface.
func (e *withheldError) Timeout() bool { return e.timeout }
