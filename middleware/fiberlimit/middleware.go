package fiberlimit

import (
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v3"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

// Limit is one limit of a route.
type Limit struct {
	// Name is what clients see of it; see [httplimit.Policy]. The names of a
	// route's limits differ.
	Name string
	// Limiter decides.
	Limiter *ratelimit.Limiter
	// Identity tells whom a request is limited as.
	Identity Identity
	// Cost tells how many units a request takes; 1 if nil. A request that takes 0
	// of each limit passes without an identity, uncounted. A negative cost is one
	// that is not known, such as the length of a body that comes in chunks: the
	// request is refused as [httplimit.Invalid].
	Cost func(fiber.Ctx) int64
}

// New returns a handler, for Use of an app or a group or in front of others of a
// route, that limits by one limit, whose name is "default". Every request takes one
// unit; for another cost, or another name, use [NewAll]. It needs an identity, and
// its error names what is wrong.
func New(limiter *ratelimit.Limiter, identity Identity, options ...Option) (fiber.Handler, error) {
	return NewAll([]Limit{{Name: "default", Limiter: limiter, Identity: identity}}, options...)
}

// NewAll returns a handler that limits by several limits, which [ratelimit.Join] can
// join, such as one per second and one per day. A request is let through if all of
// them let it through; otherwise it is charged to none. Its error names what is
// wrong.
func NewAll(limits []Limit, options ...Option) (fiber.Handler, error) {
	m := &middleware{}
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option.apply(&m.config); err != nil {
			return nil, fmt.Errorf("fiberlimit: %w", err)
		}
	}
	policies := make([]httplimit.Policy, len(limits))
	for i, l := range limits {
		policies[i] = httplimit.Policy{Name: l.Name, Limiter: l.Limiter}
	}
	var err error
	if m.guard, err = httplimit.NewGuard(policies, m.config.guard...); err != nil {
		return nil, fmt.Errorf("fiberlimit: %w", err)
	}
	for _, l := range limits {
		if l.Identity == nil {
			return nil, fmt.Errorf("fiberlimit: limit %q: identity is nil", l.Name)
		}
		m.asks = append(m.asks, ask{l.Identity, l.Cost})
	}
	return m.handle, nil
}

type middleware struct {
	config
	guard *httplimit.Guard
	asks  []ask
}

// ask is what a request asks of a limit.
type ask struct {
	identity Identity
	cost     func(fiber.Ctx) int64
}

// handle is the [fiber.Handler].
func (m *middleware) handle(c fiber.Ctx) error {
	if m.skip != nil && m.skip(c) {
		return c.Next()
	}
	d := m.decide(c)
	m.setFields(c, &d)
	if d.Outcome == httplimit.Allowed {
		if m.context && d.Name != "" {
			fiber.StoreInContext(c, decisionKey{}, d)
		}
		return c.Next()
	}
	if handler := m.handlers[d.Outcome]; handler != nil {
		return handler(c, d)
	}
	return m.refuse(c, &d)
}

func (m *middleware) decide(c fiber.Ctx) httplimit.Decision {
	var room [4]ratelimit.Part
	parts := append(room[:0], make([]ratelimit.Part, len(m.asks))...)
	asked := false
	for i, a := range m.asks {
		parts[i].N = 1
		if a.cost != nil {
			parts[i].N = a.cost(c)
		}
		asked = asked || parts[i].N != 0
	}
	if asked {
		for i, a := range m.asks {
			// The memory of Fiber's strings is the next request's after this one,
			// and a run of the script, or an observer, may have the identity longer.
			parts[i].Identity = strings.Clone(a.identity(c))
		}
	}
	return m.guard.Decide(c.Context(), parts...)
}
