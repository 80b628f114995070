// Package asking works out what a request asks of the limits of a route. C is the type
// that a server has for requests.
package asking

import "github.com/distributed-rate-limiter/ratelimit"

// Ask is what a request asks of one limit.
type Ask[C any] struct {
	Identity func(C) string
	Cost     func(C) int64 // 1 if nil
}

// Parts appends what c asks of each limit to parts. It determines identities only if c has
// a cost under any limit.
func Parts[C any](parts []ratelimit.Part, asks []Ask[C], c C) []ratelimit.Part {
	asked := false
	for _, a := range asks {
		n := int64(1)
		if a.Cost != nil {
			n = a.Cost(c)
		}
		parts = append(parts, ratelimit.Part{N: n})
		asked = asked || n != 0
	}
	if asked {
		for i, a := range asks {
			parts[i].Identity = a.Identity(c)
		}
	}
	return parts
}
