package fiberlimit

import (
	"context"

	"github.com/gofiber/fiber/v3"

	"github.com/distributed-rate-limiter/ratelimit/middleware/httplimit"
)

type decisionKey struct{}

// FromContext returns what was decided of the request, by the innermost middleware
// that has [WithContext]. It is false if there is none, or the request was let
// through without asking a limit. ctx is the [fiber.Ctx], or, if the app has
// PassLocalsToContext, what its Context returns.
func FromContext(ctx context.Context) (httplimit.Decision, bool) {
	return fiber.ValueFromContext[httplimit.Decision](ctx, decisionKey{})
}
