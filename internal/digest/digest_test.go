package digest

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSum checks that a sum depends on nothing but its text, whatever was hashed before: the
// same text, a part of it, or more than the hasher has room for.
func TestSum(t *testing.T) {
	texts := []string{"", "a", "ab", "b", strings.Repeat("a", 511), strings.Repeat("a", 512), strings.Repeat("a", 513), strings.Repeat("ab", 512)}
	for _, secret := range [][]byte{nil, {}, []byte("secret")} {
		h := New(secret)
		want := func(text string) []byte {
			if secret == nil {
				sum := sha256.Sum256([]byte(text))
				return sum[:]
			}
			m := hmac.New(sha256.New, secret)
			m.Write([]byte(text))
			return m.Sum(nil)
		}
		for _, first := range texts {
			for _, second := range texts {
				for _, text := range []string{first, first, second, first} {
					got := h.Sum(text)
					require.Equal(t, want(text), got[:], "%d bytes", len(text))
				}
			}
		}
	}
}

func BenchmarkSum(b *testing.B) {
	for name, texts := range map[string][2]string{"Same": {"user:12345", "user:12345"}, "Other": {"user:12345", "user:12346"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			h := New(nil)
			for i := 0; b.Loop(); i++ {
				h.Sum(texts[i%2])
			}
		})
	}
}
