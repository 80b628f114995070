package httplimit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm"
)

// Policy is a limit by its name, which RateLimit-Policy, RateLimit and
// violated-policies show to clients. A name is printable ASCII, and not empty.
type Policy struct {
	Name    string
	Limiter *ratelimit.Limiter
}

// Guard decides requests and says what to answer: the middleware's logic, for
// servers that are not of net/http. For each request, call [Guard.Decide], then
// [Guard.SetFields], and then let it through if the outcome is [Allowed], or
// answer with [Guard.Reply]. For a framework that has net/http's types, in handlers
// of its own, there are [Guard.SetHeader] and [Guard.Refuse]. It is safe for
// concurrent use.
type Guard struct {
	guardConfig
	limiters []*ratelimit.Limiter
	joint    *ratelimit.Joint // nil if there is one limiter
	names    []string
	quoted   []string // names as strings of RFC 9651 and of JSON
	policy   string   // the field RateLimit-Policy
}

// NewGuard returns a guard by one policy, or by several that [ratelimit.Join] can
// join. Its error names what is wrong.
func NewGuard(policies []Policy, options ...GuardOption) (*Guard, error) {
	var c guardConfig
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option.applyGuard(&c); err != nil {
			return nil, fmt.Errorf("httplimit: %w", err)
		}
	}
	return newGuard(policies, c)
}

func newGuard(policies []Policy, c guardConfig) (*Guard, error) {
	g := &Guard{guardConfig: c}
	if len(policies) == 0 {
		return nil, errors.New("httplimit: there is no limit")
	}
	known := map[string]bool{}
	for i, p := range policies {
		if err := checkName(p.Name); err != nil {
			return nil, fmt.Errorf("httplimit: limit %d: %w", i, err)
		}
		if known[p.Name] {
			return nil, fmt.Errorf("httplimit: limit %d: name is %q, as that of another", i, p.Name)
		}
		known[p.Name] = true
		units, window := p.Limiter.Quota()
		if units == 0 {
			return nil, fmt.Errorf("httplimit: limit %q: limiter is nil, or was not made by ratelimit.New", p.Name)
		}
		g.limiters = append(g.limiters, p.Limiter)
		g.names = append(g.names, p.Name)
		g.quoted = append(g.quoted, strconv.Quote(p.Name)) // of printable ASCII
		g.policy = appendPolicy(g.policy, g.quoted[i], units, window)
	}
	if len(policies) == 1 {
		return g, nil
	}
	joint, err := ratelimit.Join(g.limiters...)
	if err != nil {
		return nil, fmt.Errorf("httplimit: %w", err)
	}
	g.joint = joint
	return g, nil
}

func checkName(name string) error {
	if name == "" {
		return errors.New("name is empty")
	}
	for i := range len(name) {
		if name[i] < ' ' || name[i] > '~' {
			return fmt.Errorf("name is %q: must be printable ASCII", name)
		}
	}
	return nil
}

// Decide decides a request that asks parts of the policies, in their order. If all
// of them are of 0 units it is allowed and nobody is asked; otherwise a part of 0
// units only looks, also where its identity is not known. All or none of the units are
// taken.
func (g *Guard) Decide(ctx context.Context, parts ...ratelimit.Part) Decision {
	if len(parts) != len(g.limiters) {
		return Decision{Outcome: Failed, Err: fmt.Errorf("httplimit: %w: %d parts, %d limits", ratelimit.ErrParts, len(parts), len(g.limiters))}
	}
	asked := false
	for _, p := range parts {
		if p.N < 0 {
			return Decision{Outcome: Invalid, Err: ratelimit.ErrN}
		}
		asked = asked || p.N > 0
	}
	if !asked {
		return Decision{Outcome: Allowed}
	}
	for i, p := range parts {
		switch {
		case p.Identity != "":
		case p.N > 0:
			return Decision{Outcome: Invalid, Err: ratelimit.ErrIdentity}
		default:
			parts = slices.Clone(parts)
			parts[i].Identity = nobody
		}
	}
	if g.joint == nil {
		return g.decideOne(ctx, parts[0])
	}
	return g.decideAll(ctx, parts)
}

// nobody is the identity of a part that only looks, where it is not known whose it is.
// It has taken nothing. Were an [Identity] to return this text, everybody would be shown
// the numbers of that one, so it begins with a byte that names and keys do not have.
const nobody = "\x00nobody"

func (g *Guard) decideOne(ctx context.Context, part ratelimit.Part) Decision {
	result, err := g.limiters[0].AllowN(ctx, part.Identity, part.N)
	if err != nil {
		return undecided(err)
	}
	d := Decision{
		Outcome: outcomeOf(result.Allowed, result.Degraded, result.RetryAfter),
		Name:    g.names[0],
		Result:  result,
		guard:   g,
	}
	if d.Outcome == Denied {
		d.RetryAfter, d.Violated = result.RetryAfter, g.names
	}
	return d
}

func (g *Guard) decideAll(ctx context.Context, parts []ratelimit.Part) Decision {
	all, err := g.joint.AllowN(ctx, parts...)
	if err != nil {
		return undecided(err)
	}
	matters := all.Denied
	if all.Allowed {
		matters = tightest(all.Results, parts)
	}
	d := Decision{
		Outcome: outcomeOf(all.Allowed, all.Degraded, all.RetryAfter),
		Name:    g.names[matters],
		Result:  all.Results[matters],
		guard:   g,
		results: all.Results,
	}
	if d.Outcome != Denied {
		return d
	}
	d.RetryAfter = all.RetryAfter
	for i, r := range all.Results {
		if parts[i].N > 0 && outcomeOf(r.Allowed, r.Degraded, r.RetryAfter) == Denied {
			d.Violated = append(d.Violated, g.names[i])
		}
	}
	return d
}

// tightest returns the index of the result that has the least remaining, of those
// that are charged.
func tightest(results []ratelimit.Result, parts []ratelimit.Part) int {
	least := -1
	for i, r := range results {
		if parts[i].N == 0 {
			continue
		}
		if least < 0 || r.Remaining < results[least].Remaining ||
			r.Remaining == results[least].Remaining && r.ResetAfter > results[least].ResetAfter {
			least = i
		}
	}
	return least
}

// outcomeOf tells a limit's denial from that of a failure mode. The latter also
// denies what no state could allow, which is a limit's denial.
func outcomeOf(allowed, degraded bool, retryAfter time.Duration) Outcome {
	switch {
	case allowed:
		return Allowed
	case degraded && retryAfter != algorithm.Never:
		return Unavailable
	}
	return Denied
}

func undecided(err error) Decision {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Decision{Outcome: Canceled, Err: err}
	}
	return Decision{Outcome: Failed, Err: err}
}
