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
	// Name is what clients see of the limit; see [httplimit.Policy]. The limits of a route
	// must have different names.
	Name string
	// Limiter decides.
	Limiter *ratelimit.Limiter
	// Identity returns the text that identifies the client; see [Identity].
	Identity Identity
	// Cost returns how many units a request takes; nil means 1. A request that takes 0
	// units from every limit passes without asking any. Where it takes 0, its identity may
	// be unknown: a request without an API key, for example, may cost 0 under the limit
	// for keys. A negative cost means that the cost is unknown, such as the length of a
	// body that comes in chunks; the request is then refused as [httplimit.Invalid].
	Cost func(fiber.Ctx) int64
}

// New returns a handler with one limit, named "default". Give it to Use of an app or a
// group, or put it before the other handlers of a route. Every request takes one unit; for
// another cost or another name, use [NewAll]. The identity must not be nil. The error says
// what is wrong.
func New(limiter *ratelimit.Limiter, identity Identity, options ...Option) (fiber.Handler, error) {
	return NewAll([]Limit{{Name: "default", Limiter: limiter, Identity: identity}}, options...)
}

// NewAll returns a handler with several limits that [ratelimit.Join] can join, such as one
// per second and one per day. A request is let through only if all of them allow it;
// otherwise it is charged to none. The error says what is wrong.
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

// kept returns identity with texts that stay valid. Fiber reuses the memory of its strings
// for the next request, but a run of the script or an observer may hold on to the identity
// for longer.
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
