package ratelimit

// lane has the calls of some keys, in the order in which they came.
type lane struct {
	calls  []*call // those from head on wait; those before it are in a run, or were
	head   int
	flying bool // calls of the lane are in a run, so it is in no other
}

// waiting returns how many calls wait.
func (l *lane) waiting() int { return len(l.calls) - l.head }

// land notes that the run with calls of the lane has ended, and frees the places of those
// calls.
func (l *lane) land() {
	l.flying = false
	switch {
	case l.waiting() == 0 && cap(l.calls) > 2*maxTaken: // there was a crowd
		l.calls = nil
	case 2*l.head < len(l.calls):
		return // the rest would be moved again and again
	default:
		rest := copy(l.calls, l.calls[l.head:])
		clear(l.calls[rest:])
		l.calls = l.calls[:rest]
	}
	l.head = 0
}
