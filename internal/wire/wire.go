// Package wire holds a connection to a server to Redis's protocol. A client that
// is sent what no Redis sends may panic on a goroutine of its own, which ends the
// process, or make room for as much as the server says is coming.
//
//	*99999999999\r\n   room for so many elements
//	$-5\r\n            a slice of -5 bytes
//	*1\r\n*1\r\n…      a call in a call in a call
//	:1\r\n:1\r\n       an answer that nothing asked for
//
// [Guard] ends such a connection before the client sees it.
package wire

import (
	"bytes"
	"errors"
	"strconv"
)

// The most that one reply may be. A script's reply is one to some thousand
// integers, the slots of a large Cluster are some hundred kilobytes.
const (
	maxDepth = 32
	// maxSize is in bytes of memory, of which an element takes elementSize.
	maxSize     = 32 << 20
	elementSize = 64
	// maxHeader is the length of the longest line that says how much follows.
	maxHeader = 32
)

var errProtocol = errors.New("wire: the server breaks Redis's protocol")

// scanner follows a stream of values as it goes by, in pieces of any size.
type scanner struct {
	size   int  // that one value may have, as maxSize is for replies
	pushes bool // may be among them
	values int  // that are over, pushes not counted

	pending []int  // elements that are still to come, of each array that is open
	room    int    // for what is left of the value
	skip    int    // bytes of a string that are still to come, its end included
	line    []byte // so far, up to maxHeader
	length  int    // of the line so far
	before  byte   // the last one of the line so far
	push    bool   // the value is one

	// Of what a client writes: whether it has asked for messages, which is told by the
	// first element of a command. It is looked at only while it matters.
	verbs      bool   // are looked at, until one subscribes
	first      bool   // the element that comes is one
	verb       []byte // so far, up to maxVerb
	subscribes bool   // one did
}

// subscribe is how the verbs end whose answers are not replies: also those that
// unsubscribe, as rueidis does before it subscribes.
const subscribe = "SUBSCRIBE\r\n"

// maxVerb is as much of a verb as must be seen.
const maxVerb = len("PUN" + subscribe)

// scan takes in a piece.
func (s *scanner) scan(piece []byte) error {
	for len(piece) > 0 {
		if len(s.pending) == 0 && s.skip == 0 && s.length == 0 {
			s.room = s.size
		}
		if s.skip > 0 {
			n := min(s.skip, len(piece))
			if s.first {
				s.verb = append(s.verb, piece[:min(n, maxVerb-len(s.verb))]...)
			}
			s.skip -= n
			piece = piece[n:]
			if s.skip == 0 {
				s.over()
			}
			continue
		}
		if n := s.quick(piece); n > 0 {
			piece = piece[n:]
			s.over()
			continue
		}
		n, whole := len(piece), false
		if i := bytes.IndexByte(piece, '\n'); i >= 0 {
			n, whole = i+1, true
		}
		s.line = append(s.line, piece[:min(n, maxHeader-len(s.line))]...)
		s.length += n
		s.room -= n
		if n > 1 {
			s.before = piece[n-2]
		}
		if whole && s.before != '\r' || s.room < 0 || s.length > maxHeader && !text(s.line[0]) {
			return errProtocol
		}
		s.before = piece[n-1]
		piece = piece[n:]
		if !whole {
			continue
		}
		if s.length < len("_\r\n") {
			return errProtocol
		}
		kind, rest := s.line[0], s.line[1:min(s.length-2, maxHeader)]
		s.line, s.length, s.before = s.line[:0], 0, 0
		if err := s.begin(kind, rest); err != nil {
			return err
		}
	}
	return nil
}

// quick returns the length of an element that the piece begins with, if it is a
// string that is in it whole: most of what is written is. It takes a tenth of the
// time of what is done otherwise, which is the same.
func (s *scanner) quick(piece []byte) int {
	if len(s.pending) == 0 || s.length > 0 || piece[0] != '$' || s.first {
		return 0
	}
	size, i := 0, 1
	for ; i < min(len(piece), 8) && piece[i]-'0' <= 9; i++ {
		size = 10*size + int(piece[i]-'0')
	}
	end := i + len("\r\n") + size
	if i == 1 || len(piece) < end+len("\r\n") || piece[i] != '\r' || piece[i+1] != '\n' || end > s.room {
		return 0
	}
	s.room -= end
	return end + len("\r\n")
}

// text reports whether a line of that kind may be a long one.
func text(kind byte) bool { return kind == '+' || kind == '-' || kind == '(' || kind == ',' }

// begin takes in a line: the kind of what it begins, and what else it says.
func (s *scanner) begin(kind byte, rest []byte) error {
	if len(s.pending) == 0 {
		s.push = kind == '>'
	}
	each := 1
	switch kind {
	case '+', '-', ',', '(':
		s.over()
		return nil
	case ':':
		// rueidis makes some number of what is none, or too large.
		if !integer(rest) {
			return errProtocol
		}
		s.over()
		return nil
	case '_':
		if len(rest) != 0 {
			return errProtocol
		}
		s.over()
		return nil
	case '#':
		if string(rest) != "t" && string(rest) != "f" {
			return errProtocol
		}
		s.over()
		return nil
	case '$', '=', '!':
		n, ok := s.count(rest, 1)
		switch {
		case !ok:
			return errProtocol
		case n < 0:
			s.over()
		default:
			s.skip = n + len("\r\n")
		}
		return nil
	case '>':
		if !s.pushes || len(s.pending) > 0 {
			return errProtocol
		}
	case '*', '~':
	case '%':
		each = 2
	default:
		return errProtocol
	}
	n, ok := s.count(rest, each*elementSize)
	switch {
	case !ok || len(s.pending) == maxDepth || n < 0 && kind != '*':
		return errProtocol
	case n <= 0:
		s.over()
	default:
		s.first = s.verbs && len(s.pending) == 0
		s.pending = append(s.pending, n*each)
	}
	return nil
}

// integer reports whether text is the decimal form of an int64.
func integer(text []byte) bool {
	digits := bytes.TrimPrefix(text, []byte("-"))
	for _, digit := range digits {
		if digit-'0' > 9 {
			return false
		}
	}
	if 0 < len(digits) && len(digits) < 19 {
		return true
	}
	_, err := strconv.ParseInt(string(text), 10, 64)
	return err == nil
}

// count reads how many there are, for each of which there must be room. -1 is
// none, not even an empty one.
func (s *scanner) count(text []byte, each int) (int, bool) {
	if string(text) == "-1" {
		return -1, true
	}
	if len(bytes.Trim(text, "0123456789")) > 0 {
		return 0, false
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n > s.room/each {
		return 0, false
	}
	s.room -= n * each
	return n, true
}

// over notes that a value is over, and with it the arrays that it is the last of.
func (s *scanner) over() {
	if s.first {
		s.note()
	}
	for len(s.pending) > 0 {
		last := len(s.pending) - 1
		if s.pending[last]--; s.pending[last] > 0 {
			return
		}
		s.pending = s.pending[:last]
	}
	if !s.push {
		s.values++
	}
}

// note notes what verb it was.
func (s *scanner) note() {
	at := len(s.verb) - len(subscribe)
	s.subscribes = at >= 0 && bytes.EqualFold(s.verb[at:], []byte(subscribe))
	s.first, s.verbs, s.verb = false, !s.subscribes, s.verb[:0]
}
