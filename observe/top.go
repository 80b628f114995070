package observe

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/internal/digest"
	"github.com/distributed-rate-limiter/ratelimit/internal/perlimiter"
	"github.com/distributed-rate-limiter/ratelimit/internal/spacesaving"
)

// Top is an observer that tells which identities are denied most, in bounded
// memory, however many there are. Make it by [NewTop]; it is safe for concurrent use.
//
//	top, err := observe.NewTop(observe.TopHalfLife(time.Hour))
//	…
//	limiter, err := ratelimit.New(store, limit, ratelimit.WithObserver(top))
//	…
//	expvar.Publish("ratelimit_top", top)
//
// It counts what Redis denied, by limiter: one for each request, however many units
// that asked for. What is allowed costs it nothing; neither a Peek nor what the
// failure mode denied counts. What it knows is of its process only, and is gone with it.
//
// Identities are shown as the first half of their SHA-256, which is how their keys
// in Redis go on after namespace and algorithm. An identity that could be guessed
// can be recognised by it: see [TopIdentityKey].
//
// Counts are by the Space-Saving algorithm (A. Metwally, D. Agrawal, A. El Abbadi,
// "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005).
// Of N denials of a limiter, with k counters ([TopSize]): a count is never too low,
// and too high by at most its error, which is at most N/k; and each identity that
// was denied more than N/k times is known. That holds whatever callers do, so
// nobody hides among identities that are made up. (Identities share a counter if a
// keyed hash of 64 bits is the same.)
type Top struct {
	size     int
	halfLife time.Duration // 0: for ever
	reveal   bool
	// newHasher is a function so that the secret in it does not print.
	newHasher func() *digest.Hasher

	start time.Time
	seed  maphash.Seed
	by    *perlimiter.Map[*denials]
}

// denials are those of one limiter.
type denials struct {
	namespace, algorithm string

	mu      sync.Mutex
	summary *spacesaving.Summary[who]
	hasher  *digest.Hasher
	halved  int // how many times
}

// NewTop returns a [Top] without counts. Its error names the option that is wrong.
func NewTop(options ...TopOption) (*Top, error) {
	t := &Top{size: 1000, newHasher: func() *digest.Hasher { return digest.New(nil) }, start: time.Now(), seed: maphash.MakeSeed()}
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option.apply(t); err != nil {
			return nil, fmt.Errorf("observe: %w", err)
		}
	}
	t.by = perlimiter.New(func(namespace, algorithm string) *denials {
		return &denials{
			namespace: namespace,
			algorithm: algorithm,
			summary:   spacesaving.New[who](t.size),
			hasher:    t.newHasher(),
			halved:    t.halvings(),
		}
	})
	return t, nil
}

// Observe implements [ratelimit.Observer].
func (t *Top) Observe(_ context.Context, e ratelimit.Event) {
	if e.Result.Allowed || e.N == 0 || e.Err != nil || t.by == nil {
		return // the last where it was not made by NewTop
	}
	d := t.by.Of(e.Namespace, e.Algorithm)
	identity := e.Identity.Reveal()
	key := maphash.String(t.seed, identity)
	halvings := t.halvings()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halve(halvings)
	switch c, fresh := d.summary.Add(key); {
	case !fresh:
	case t.reveal:
		c.Value.reveal(identity)
	default:
		sum := d.hasher.Sum(identity)
		copy(c.Value.sum[:], sum[:])
	}
}

// halvings is how many times counts should have been halved.
func (t *Top) halvings() int {
	if t.halfLife == 0 {
		return 0
	}
	return int(time.Since(t.start) / t.halfLife)
}

func (d *denials) halve(times int) {
	if more := times - d.halved; more > 0 {
		d.summary.Scale(math.Ldexp(1, -more))
		d.halved = times
	}
}

// TopLimiter is what a [Top] knows of one limiter.
type TopLimiter struct {
	// Namespace and Algorithm name the limiter, as in its keys. Those beyond the
	// thousandth are "(others)" together.
	Namespace string `json:"namespace"`
	Algorithm string `json:"algorithm"`
	// Denied is how many requests were denied, of all identities; with a half-life,
	// what is left of them.
	Denied int64 `json:"denied"`
	// Identities are those that were denied most, and for certain: by Denied less
	// Error, the greatest first.
	Identities []TopIdentity `json:"identities"`
}

// TopIdentity is one of those that were denied most.
type TopIdentity struct {
	// Identity is its hash in hexadecimal, or what it is with [TopReveal].
	Identity string `json:"identity"`
	// Denied is how often it was denied, at most; Error is by how much that may be
	// too much.
	Denied int64 `json:"denied"`
	Error  int64 `json:"error"`
}

// Top returns, for each limiter that has denied anything, the n identities that
// were denied most: the limiters by name.
func (t *Top) Top(n int) []TopLimiter {
	all := []TopLimiter{}
	if t.by == nil {
		return all
	}
	for d := range t.by.All() {
		all = append(all, d.top(n, t.halvings()))
	}
	slices.SortFunc(all, func(a, b TopLimiter) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Algorithm, b.Algorithm))
	})
	return all
}

func (d *denials) top(n, halvings int) TopLimiter {
	total, counters := d.copy(halvings)
	slices.SortFunc(counters, func(a, b spacesaving.Counter[who]) int {
		return cmp.Or(cmp.Compare(b.Count-b.Error, a.Count-a.Error), cmp.Compare(b.Count, a.Count), a.Value.compare(b.Value))
	})
	l := TopLimiter{
		Namespace:  d.namespace,
		Algorithm:  d.algorithm,
		Denied:     int64(math.Round(total)),
		Identities: []TopIdentity{},
	}
	for _, c := range counters {
		if len(l.Identities) >= n {
			break
		}
		if c.Count < 0.5 { // by halving: long ago
			continue
		}
		most := int64(math.Ceil(c.Count))
		l.Identities = append(l.Identities, TopIdentity{
			Identity: c.Value.String(),
			Denied:   most,
			Error:    most - int64(math.Floor(c.Count-c.Error)),
		})
	}
	return l
}

// copy is quick: who is denied meanwhile waits for it.
func (d *denials) copy(halvings int) (total float64, counters []spacesaving.Counter[who]) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halve(halvings)
	counters = make([]spacesaving.Counter[who], 0, len(d.summary.Counters()))
	for _, c := range d.summary.Counters() {
		counters = append(counters, *c)
		counters[len(counters)-1].Value.text = bytes.Clone(c.Value.text)
	}
	return d.summary.Total(), counters
}

// String returns Top(10) as a JSON array, in which nothing is markup: it makes a Top
// an expvar.Var.
func (t *Top) String() string {
	text, err := json.Marshal(t.Top(10))
	if err != nil { // of integers and valid text: it does not
		return "[]"
	}
	return string(text)
}
