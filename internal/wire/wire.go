// Package wire makes sure that a server keeps to Redis's protocol. If a client is sent what
// no Redis sends, it may panic on a goroutine of its own, which ends the process, or
// allocate as much memory as the server says is coming.
//
//	*99999999999\r\n   room for so many elements
//	$-5\r\n            a slice of -5 bytes
//	*1\r\n*1\r\n…      a call in a call in a call
//	:1\r\n:1\r\n       an answer that nothing asked for
//
// [Guard] ends such a connection before the client sees the offending bytes.
package wire

import (
	"bytes"
	"errors"
	"strconv"
)

// The bounds of one reply. A script's reply is one to some thousand integers; the slots of a
// large Cluster are some hundred kilobytes.
const (
	maxDepth = 32
	// maxSize is in bytes of memory; an element takes elementSize of them.
	maxSize     = 32 << 20
	elementSize = 64
	// maxHeader is the length of the longest line that says how much follows.
	maxHeader = 32
)

var errProtocol = errors.New("wire: the server breaks Redis's protocol")

// scanner follows a stream of values as it passes, in pieces of any size.
type scanner struct {
	size   int  // the most memory that one value may take, as maxSize is for replies
	pushes bool // whether pushes may be among the values
	values int  // how many values are over, not counting pushes

	pending []int  // for each open array, how many elements are still to come
	room    int    // the memory left for the rest of the value
	skip    int    // how many bytes of a string are still to come, including its end
	line    []byte // the line so far, up to maxHeader bytes
	length  int    // the length of the line so far
	before  byte   // the last byte of the line so far
	push    bool   // whether the value is a push

	// The next fields are for what a client writes. The first element of a command, its
	// verb, tells whether the client subscribes to messages. Verbs are looked at only while
	// that matters.
	verbs      bool   // whether verbs are looked at, which ends when one subscribes
	first      bool   // whether the next element is a verb
	verb       []byte // the verb so far, up to maxVerb bytes
	subscribes bool   // whether a verb subscribed
}

// subscribe is the end of the verbs that are answered by something other than a reply. They
// include those that unsubscribe, as rueidis does before it subscribes.
const subscribe = "SUBSCRIBE\r\n"

// maxVerb is how many bytes of a verb must be seen.
const maxVerb = len("PUN" + subscribe)

// scan takes in a piece of the stream.
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

// quick returns the length of the element at the beginning of piece if that is a whole
// string, as most of what is written is, otherwise 0. It does the same as the code for other
// elements, in a tenth of the time.
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

// text reports whether a line of the given kind may be long.
func text(kind byte) bool { return kind == '+' || kind == '-' || kind == '(' || kind == ',' }

// begin takes in a line: kind is its first byte, and rest is what follows.
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
		// rueidis makes some number of text that is not an integer or is too large.
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

// count reads how many elements or bytes are to come. There must be room for all of them; each
// is how many bytes of memory one takes. -1 stands for a null value, not for an empty one.
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

// over notes that a value is over, and with it the arrays that it completes.
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

// note notes whether the verb subscribes.
func (s *scanner) note() {
	at := len(s.verb) - len(subscribe)
	s.subscribes = at >= 0 && bytes.EqualFold(s.verb[at:], []byte(subscribe))
	s.first, s.verbs, s.verb = false, !s.subscribes, s.verb[:0]
}
