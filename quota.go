package ratelimit

import "time"

// Quota returns what the limiter promises: how many units a fresh identity can take at once,
// which is Result.Limit, and the window that they are for. In the long run an identity can
// take that many units per window. The window of a token bucket is the time in which it
// fills. An algorithm that does not state a window has one of 0. Both results are 0 if the
// limiter was not made by [New].
func (l *Limiter) Quota() (units int64, window time.Duration) {
	if l == nil || l.plan == nil {
		return 0, 0
	}
	return l.plan.Limit, l.plan.Window
}
