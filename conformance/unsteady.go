package conformance

import "github.com/distributed-rate-limiter/ratelimit/store"

// setBack, in µs, is further than an unsteady clock is ever set back.
const setBack = 1000

var valkeyScript = store.NewScript("valkey", "return {redis.VALKEY_VERSION_NUM or 0}")

// isUnsteady reports whether the server's clock may step back now and then although nobody
// sets it. That of Valkey 9 may: the server asks for the time of day once a millisecond, and
// adds what the processor has counted since (ustime in its util.c). If the server is held up
// between the two, its clock is ahead until it asks again.
func isUnsteady(t failer, s store.Store) bool {
	t.Helper()
	return run(t, s, valkeyScript, newKeyspace().keys(1))[0] >= 0x090000
}
