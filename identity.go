package ratelimit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"

	"github.com/distributed-rate-limiter/ratelimit/internal/digest"
)

// Identity is the identity of an [Event]. It may be personal data, so it does not print: if
// it, or a value that contains it, is formatted or encoded, in whatever way, the output has a
// placeholder, a pointer or nothing in its place. Reveal returns the text. To compare two
// identities, compare what they reveal; == compares pointers.
type Identity struct {
	text *string // a string would show, because fmt calls no methods of unexported fields
}

// NewIdentity returns an identity with the given text, for tests of observers.
func NewIdentity(text string) Identity { return Identity{&text} }

// Reveal returns the identity as the caller gave it.
func (i Identity) Reveal() string {
	if i.text == nil {
		return ""
	}
	return *i.text
}

const redacted = "[identity]"

// Format implements [fmt.Formatter] for all verbs.
func (Identity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements [encoding.TextMarshaler]. It serves encoding/json and log/slog too.
func (Identity) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// sum is the hash of an identity.
type sum [sha256.Size]byte

// keyring makes the Redis keys of a limiter: prefix, then the identity's hash in 64
// hexadecimal digits. Neither the namespace nor the algorithm's name has a colon, and all
// hashes have the same length. So no two triples of namespace, algorithm and identity share a
// key, unless SHA-256 collides.
type keyring struct {
	prefix string
	hashes sync.Pool // of *digest.Hasher
}

func newKeyring(namespace, algorithm string, secret []byte) *keyring {
	k := &keyring{prefix: namespace + ":" + algorithm + ":"}
	k.hashes.New = func() any { return digest.New(secret) }
	return k
}

// hash returns the hash of identity. It allocates nothing, however long identity is.
func (k *keyring) hash(identity string) sum {
	h := k.hashes.Get().(*digest.Hasher)
	s := h.Sum(identity)
	k.hashes.Put(h)
	return s
}

// size is the length of every key.
func (k *keyring) size() int { return len(k.prefix) + 2*sha256.Size }

// appendKey appends the Redis key of the identity with hash s to text.
func (k *keyring) appendKey(text []byte, s *sum) []byte {
	return hex.AppendEncode(append(text, k.prefix...), s[:])
}

// key returns the Redis key of the identity with hash s. It allocates nothing but that
// string, unless the key is longer than 256 bytes.
func (k *keyring) key(s *sum) string {
	var room [256]byte
	return string(k.appendKey(room[:0], s))
}
