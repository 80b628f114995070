package main

import (
	"fmt"
	"math/rand/v2"
)

// spread is how identities are drawn.
type spread int

const (
	uniform spread = iota
	zipf
	hot
)

// zipfExponent is the s of Zipf's law: the k-th most popular identity is drawn in
// proportion to 1/k^s.
const zipfExponent = 1.1

// identities returns n identities as long as those of a service.
func identities(n int) []string {
	// They are parts of one string, so that the garbage collector has one object to mark
	// instead of millions. Its time would count as the contestants'.
	text, ends := make([]byte, 0, n*len(identity(0))), make([]int, n)
	for i := range ends {
		text = append(text, identity(i)...)
		ends[i] = len(text)
	}
	whole, all, begin := string(text), make([]string, n), 0
	for i, end := range ends {
		all[i], begin = whole[begin:end], end
	}
	return all
}

func identity(i int) string { return fmt.Sprintf("user:%08d", i) }

// draw returns a function for one goroutine that draws identities without allocating. The
// same seed and stream give the same identities.
func (s spread) draw(all []string, seed, stream uint64) func() string {
	random := rand.New(rand.NewPCG(seed, stream))
	switch s {
	case hot:
		return func() string { return all[0] }
	case zipf:
		if len(all) == 1 {
			return func() string { return all[0] }
		}
		z := rand.NewZipf(random, zipfExponent, 1, uint64(len(all)-1))
		return func() string { return all[z.Uint64()] }
	}
	return func() string { return all[random.IntN(len(all))] }
}
