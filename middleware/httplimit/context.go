package httplimit

import "context"

// FromContext returns the decision on the request that has this context. If several
// middlewares have [WithContext], it is the innermost one's decision. The result is false
// if none has, or if the request was let through without asking a limit.
func FromContext(ctx context.Context) (Decision, bool) {
	d, ok := ctx.Value(decisionKey{}).(*Decision)
	if !ok {
		return Decision{}, false
	}
	return *d, true
}

type decisionKey struct{}

// decisionContext is a context with a decision. It takes one allocation.
type decisionContext struct {
	context.Context
	decision Decision
}

func withDecision(ctx context.Context, d *Decision) context.Context {
	return &decisionContext{ctx, *d}
}

// Value implements [context.Context].
func (c *decisionContext) Value(key any) any {
	if key == (decisionKey{}) {
		return &c.decision
	}
	return c.Context.Value(key)
}
