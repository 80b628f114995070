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

// Policy is a limit and the name that clients see of it, in RateLimit-Policy, RateLimit
// and violated-policies. A name is printable ASCII, and not empty.
type Policy struct {
	Name    string
	Limiter *ratelimit.Limiter
}

// Guard decides requests and says how to answer them. It is the logic of the middleware,
// for servers that do not use net/http. For each request, call [Guard.Decide] and then
// [Guard.SetFields]. After that, let the request through if the outcome is [Allowed], and
// answer it with [Guard.Reply] if not. Frameworks that have handlers of their own but
// net/http's types can use [Guard.SetHeader] and [Guard.Refuse] instead. A Guard is safe
// for concurrent use.
type Guard struct {
	guardConfig
	limiters []*ratelimit.Limiter
	joint    *ratelimit.Joint // nil if there is one limiter
	names    []string
	quoted   []string // names, quoted as strings of both RFC 9651 and JSON
	policy   string   // the value of the field RateLimit-Policy
}

// NewGuard returns a guard for one policy, or for several that [ratelimit.Join] can join.
// The error says what is wrong.
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
		g.quoted = append(g.quoted, strconv.Quote(p.Name)) // valid, because names are printable ASCII
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

// Decide decides a request that has one part for each policy, in their order. If all parts
// are of 0 units, the request is allowed and no limit is asked. Otherwise a part of 0
// units only looks at its limit; its identity may be empty. Either all units are taken or
// none.
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

// nobody is the identity of a part that only looks at a limit and has no identity. It has
// never taken anything. If an [Identity] could return this text, all such requests would
// be shown that client's numbers. So it begins with a byte that does not occur in names or
// keys.
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

// tightest returns the index of the result with the least remaining, among those whose
// parts are charged.
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

// outcomeOf tells the denial of a limit from that of a failure mode. A failure mode also
// denies requests that no state could allow, which count as denied by the limit.
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
