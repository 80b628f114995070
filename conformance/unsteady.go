package conformance

import "github.com/distributed-rate-limiter/ratelimit/store"

// setBack is more than the µs by which an unsteady clock is set back.
const setBack = 1000

var valkeyScript = store.NewScript("valkey", "return {redis.VALKEY_VERSION_NUM or 0}")

// isUnsteady reports whether the server's clock may be set back now and then, though nobody
// sets it. That of Valkey 9 may: it asks for the time of day once in a millisecond, and adds
// what the processor has counted since (ustime in its util.c). If it was held up between the
// two it is ahead, until it asks again.
func isUnsteady(t failer, s store.Store) bool {
	t.Helper()
	return run(t, s, valkeyScript, newKeyspace().keys(1))[0] >= 0x090000
}
