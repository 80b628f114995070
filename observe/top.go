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

// Top is an observer that finds the identities that are denied most. It needs bounded
// memory, however many identities there are. Make one with [NewTop]. It is safe for
// concurrent use.
//
//	top, err := observe.NewTop(observe.TopHalfLife(time.Hour))
//	…
//	limiter, err := ratelimit.New(store, limit, ratelimit.WithObserver(top))
//	…
//	expvar.Publish("ratelimit_top", top)
//
// For each limiter it counts the requests that Redis denied. A request counts once, however
// many units it asked for. Peeks do not count, nor do requests that the failure mode denied.
// Allowed requests cost nothing. The counts are those of one process, and end with it.
//
// Identities are shown as the first half of their SHA-256, which is also what follows
// namespace and algorithm in their keys in Redis. Anyone who can guess an identity can
// recognise it by this hash: see [TopIdentityKey].
//
// Counting is by the Space-Saving algorithm (A. Metwally, D. Agrawal, A. El Abbadi,
// "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT 2005). If a
// limiter has denied N requests, and has k counters ([TopSize]), then no count is too low,
// and none is too high by more than its error, which is at most N/k. Each identity that was
// denied more than N/k times has a counter. This holds whatever callers do, so nobody can
// hide among made-up identities. (Identities share a counter if they have the same keyed
// hash of 64 bits.)
type Top struct {
	size     int
	halfLife time.Duration // 0: counts are never halved
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

// NewTop returns a [Top] whose counts are empty. Its error names the option that is wrong.
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
		return // t.by is nil if NewTop did not make t
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

// halvings returns how many times counts should have been halved by now.
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
	// Namespace and Algorithm name the limiter, as in its keys. Limiters beyond the first
	// thousand are one, named "(others)".
	Namespace string `json:"namespace"`
	Algorithm string `json:"algorithm"`
	// Denied is how many requests of all identities were denied, or, with [TopHalfLife],
	// what is left of that number after halving.
	Denied int64 `json:"denied"`
	// Identities are those that were certainly denied most: they are sorted by Denied
	// less Error, the greatest first.
	Identities []TopIdentity `json:"identities"`
}

// TopIdentity is one of the identities that were denied most.
type TopIdentity struct {
	// Identity is the hash of the identity in hexadecimal, or, with [TopReveal], the
	// identity itself.
	Identity string `json:"identity"`
	// Denied is the most often that the identity can have been denied. Error is by how
	// much Denied may be too high.
	Denied int64 `json:"denied"`
	Error  int64 `json:"error"`
}

// Top returns the n identities that were denied most, for each limiter that has denied a
// request. The limiters are sorted by name.
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
		if c.Count < 0.5 { // denied long ago, and halved since
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

// copy must be quick, because callers that are denied meanwhile wait for it.
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

// String returns Top(10) as a JSON array, in which <, > and & are escaped. It makes a Top
// an expvar.Var.
func (t *Top) String() string {
	text, err := json.Marshal(t.Top(10))
	if err != nil { // integers and valid text do not fail
		return "[]"
	}
	return string(text)
}
