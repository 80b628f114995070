package ratelimit

// lane has the calls of some keys that wait, in the order in which they came.
type lane struct {
	calls  []*call // those before head are in a run, or were
	head   int
	flying bool // calls of it are in a run, so the others wait
}

// waiting returns how many calls wait.
func (l *lane) waiting() int { return len(l.calls) - l.head }

// land makes room, where calls were that are in no run any more.
func (l *lane) land() {
	l.flying = false
	switch {
	case l.waiting() == 0 && cap(l.calls) > 2*maxTaken: // there was a crowd
		l.calls = nil
	case 2*l.head < len(l.calls):
		return // it would be moved again and again
	default:
		rest := copy(l.calls, l.calls[l.head:])
		clear(l.calls[rest:])
		l.calls = l.calls[:rest]
	}
	l.head = 0
}
