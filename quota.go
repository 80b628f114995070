package ratelimit

import "time"

// Quota returns what the limiter promises: how many units a fresh identity can take
// at once, which is Result.Limit, and the window that they are for. In the long run
// an identity can have so many units each window. A token bucket's window is the
// time in which it fills; a window of 0 is one that the algorithm does not tell.
func (l *Limiter) Quota() (units int64, window time.Duration) {
	if l == nil || l.plan == nil {
		return 0, 0
	}
	return l.plan.Limit, l.plan.Window
}
