package store

import (
	"crypto/sha1"
	"encoding/hex"
)

// Script is a Lua script. It is immutable and safe for concurrent use.
type Script struct {
	name   string
	source string
	sha1   string
}

// NewScript returns the script with the given Lua source. The name is for people: it appears
// in errors, and nowhere in Redis.
func NewScript(name, source string) *Script {
	sum := sha1.Sum([]byte(source))
	return &Script{name: name, source: source, sha1: hex.EncodeToString(sum[:])}
}

// Name returns the name for people.
func (s *Script) Name() string { return s.name }

// Source returns the Lua text, for EVAL.
func (s *Script) Source() string { return s.source }

// SHA1 returns the digest by which Redis caches the script, for EVALSHA: 40
// lower-case hexadecimal digits.
func (s *Script) SHA1() string { return s.sha1 }
