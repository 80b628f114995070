package observe

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// who is an identity as a [Top] keeps it: in bounded memory, and not as it is unless
// it is to be revealed.
type who struct {
	sum  [sha256.Size / 2]byte
	text []byte // if it is revealed: its beginning
}

// maxRevealed is how much of an identity is revealed, in bytes.
const maxRevealed = 256

func (w who) String() string {
	if len(w.text) > 0 {
		return strings.ToValidUTF8(string(w.text), "\ufffd")
	}
	return hex.EncodeToString(w.sum[:])
}

func (w who) compare(other who) int {
	return cmp.Or(bytes.Compare(w.text, other.text), bytes.Compare(w.sum[:], other.sum[:]))
}

// reveal has w be who identity is, in the room that it has.
func (w *who) reveal(identity string) {
	w.text = append(w.text[:0], identity[:min(len(identity), maxRevealed)]...)
}
