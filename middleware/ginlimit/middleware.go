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
	// for keys. A negative cost means that the cost is unknown, such as the ContentLength
	// of a body of unknown length; the request is then refused as [httplimit.Invalid].
	Cost func(*gin.Context) int64
}

// New returns a middleware with one limit, named "default", for an engine, a group or a
// route. Every request takes one unit; for another cost or another name, use [NewAll]. The
// identity must not be nil. The error says what is wrong.
func New(limiter *ratelimit.Limiter, identity Identity, options ...Option) (gin.HandlerFunc, error) {
	return NewAll([]Limit{{Name: "default", Limiter: limiter, Identity: identity}}, options...)
}

// NewAll returns a middleware with several limits that [ratelimit.Join] can join, such as
// one per second and one per day. A request is let through only if all of them allow it;
// otherwise it is charged to none. The error says what is wrong.
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

// handle does not call the next handler: gin does, unless the request is aborted.
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
		_ = handler(c, d) // never an error: it is a Handler
		return
	}
	m.Refuse(c.Writer, c.Request, d)
	c.Writer.WriteHeaderNow() // needed if there is no body
}

type decisionKey struct{}

// FromContext returns the decision on the request. If several middlewares have
// [WithContext], it is the innermost one's decision. The result is false if none has, or
// if the request was let through without asking a limit. A copy of the context has the
// decision, too.
func FromContext(c *gin.Context) (httplimit.Decision, bool) {
	value, _ := c.Get(decisionKey{})
	d, ok := value.(httplimit.Decision)
	return d, ok
}
