package observe

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// who is an identity as a [Top] keeps it, in bounded memory: as a hash, or, with
// [TopReveal], as its beginning.
type who struct {
	sum  [sha256.Size / 2]byte
	text []byte // the beginning of the identity, if it is revealed
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

// reveal sets w to identity, in the memory that w has.
func (w *who) reveal(identity string) {
	w.text = append(w.text[:0], identity[:min(len(identity), maxRevealed)]...)
}
