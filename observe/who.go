package observe

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
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

// hasher hashes identities without allocating, however long they are.
type hasher struct {
	hash.Hash
	piece [512]byte
	sum   [sha256.Size]byte
}

// newHasher returns a function that makes hashers: of SHA-256, or of HMAC-SHA-256
// under a secret.
func newHasher(secret []byte) func() *hasher {
	return func() *hasher {
		if secret == nil {
			return &hasher{Hash: sha256.New()}
		}
		return &hasher{Hash: hmac.New(sha256.New, secret)}
	}
}

// hash has w be who identity is.
func (h *hasher) hash(w *who, identity string) {
	h.Reset()
	for len(identity) > 0 {
		n := copy(h.piece[:], identity)
		h.Write(h.piece[:n])
		identity = identity[n:]
	}
	copy(w.sum[:], h.Sum(h.sum[:0]))
}

// reveal has w be who identity is, in the room that it has.
func (w *who) reveal(identity string) {
	w.text = append(w.text[:0], identity[:min(len(identity), maxRevealed)]...)
}
