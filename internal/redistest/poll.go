package redistest

import "time"

// poll calls done every few milliseconds until it returns true, for at most
// limit. It returns what done returned last.
func poll(limit time.Duration, done func() bool) bool {
	const pause = 5 * time.Millisecond
	for end := time.Now().Add(limit); ; time.Sleep(pause) {
		if done() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
