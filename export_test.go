package ratelimit

// KeyOf returns the Redis key of an identity, for tests that look at Redis.
func KeyOf(l *Limiter, identity string) string { return l.keys.key(identity) }
