package fiberlimit

import (
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v3"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/internal/route"
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
	// of each limit passes uncounted. Where it takes 0 its identity need not be
	// known: an API key's, of a request without one, say. A negative cost is
	// one that is not known, such as the length of a body that comes in chunks: the
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
	var c config
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option.apply(&c); err != nil {
			return nil, fmt.Errorf("fiberlimit: %w", err)
		}
	}
	all := make([]route.Limit[fiber.Ctx], len(limits))
	for i, l := range limits {
		all[i] = route.Limit[fiber.Ctx]{Name: l.Name, Limiter: l.Limiter, Identity: kept(l.Identity), Cost: l.Cost}
	}
	m, err := route.New(all, c)
	if err != nil {
		return nil, fmt.Errorf("fiberlimit: %w", err)
	}
	return func(c fiber.Ctx) error { return handle(m, c) }, nil
}

// kept returns identity with texts that stay. The memory of Fiber's strings is the next
// request's after this one, and a run of the script, or an observer, may have the
// identity longer.
func kept(identity Identity) func(fiber.Ctx) string {
	if identity == nil {
		return nil
	}
	return func(c fiber.Ctx) string { return strings.Clone(identity(c)) }
}

func handle(m *route.Limits[fiber.Ctx], c fiber.Ctx) error {
	if m.Skips(c) {
		return c.Next()
	}
	d := m.Decide(c.Context(), c)
	setFields(m.Guard, c, &d)
	if d.Outcome == httplimit.Allowed {
		if m.KeepsDecision && d.Name != "" {
			fiber.StoreInContext(c, decisionKey{}, d)
		}
		return c.Next()
	}
	if handler := m.Handler(d.Outcome); handler != nil {
		return handler(c, d)
	}
	return refuse(m.Guard, c, &d)
}
