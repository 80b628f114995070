package ginlimit

import (
	"fmt"

	"github.com/gin-gonic/gin"

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
	// one that is not known, such as the ContentLength of a body of unknown length:
	// the request is refused as [httplimit.Invalid].
	Cost func(*gin.Context) int64
}

// New returns a middleware, for an engine, a group or a route, by one limit, whose
// name is "default". Every request takes one unit; for another cost, or another
// name, use [NewAll]. It needs an identity, and its error names what is wrong.
func New(limiter *ratelimit.Limiter, identity Identity, options ...Option) (gin.HandlerFunc, error) {
	return NewAll([]Limit{{Name: "default", Limiter: limiter, Identity: identity}}, options...)
}

// NewAll returns a middleware by several limits that [ratelimit.Join] can join, such
// as one per second and one per day. A request is let through if all of them let it
// through; otherwise it is charged to none. Its error names what is wrong.
func NewAll(limits []Limit, options ...Option) (gin.HandlerFunc, error) {
	var c config
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option.apply(&c); err != nil {
			return nil, fmt.Errorf("ginlimit: %w", err)
		}
	}
	all := make([]route.Limit[*gin.Context], len(limits))
	for i, l := range limits {
		all[i] = route.Limit[*gin.Context]{Name: l.Name, Limiter: l.Limiter, Identity: l.Identity, Cost: l.Cost}
	}
	m, err := route.New(all, c)
	if err != nil {
		return nil, fmt.Errorf("ginlimit: %w", err)
	}
	return func(c *gin.Context) { handle(m, c) }, nil
}

// handle leaves it to gin to go on to the next handler, which it does unless the
// request is aborted.
func handle(m *route.Limits[*gin.Context], c *gin.Context) {
	if m.Skips(c) {
		return
	}
	d := m.Decide(c.Request.Context(), c)
	m.SetHeader(c.Writer.Header(), d)
	if d.Outcome == httplimit.Allowed {
		if m.KeepsDecision && d.Name != "" {
			c.Set(decisionKey{}, d)
		}
		return
	}
	c.Abort()
	if handler := m.Handler(d.Outcome); handler != nil {
		_ = handler(c, d) // which is a Handler, so nil
		return
	}
	m.Refuse(c.Writer, c.Request, d)
	c.Writer.WriteHeaderNow() // where there is no body
}

type decisionKey struct{}

// FromContext returns what was decided of the request, by the innermost middleware
// that has [WithContext]. It is false if there is none, or the request was let
// through without asking a limit. A copy of the context has it, too.
func FromContext(c *gin.Context) (httplimit.Decision, bool) {
	value, _ := c.Get(decisionKey{})
	d, ok := value.(httplimit.Decision)
	return d, ok
}
