package fiberlimit

import (
	"context"

	"github.com/gofiber/fiber/v3"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

type decisionKey struct{}

// FromContext returns the decision on the request. If several middlewares have
// [WithContext], it is the innermost one's decision. The result is false if none has, or
// if the request was let through without asking a limit. ctx is the [fiber.Ctx] or, if the
// app has PassLocalsToContext, what its method Context returns.
func FromContext(ctx context.Context) (httplimit.Decision, bool) {
	return fiber.ValueFromContext[httplimit.Decision](ctx, decisionKey{})
}
