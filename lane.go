package ratelimit

// lane has the calls of some keys that wait, in the order in which they came.
type lane struct {
	head, tail *call
	length     int
	flying     bool // calls of it are in a run, so the others wait
}

// append appends the calls from head to tail.
func (l *lane) append(head, tail *call, length int) {
	if l.head == nil {
		l.head = head
	} else {
		l.tail.next = head
	}
	l.tail = tail
	l.length += length
}

// moveTo moves the first of the calls, at most so many, to the end of another lane.
func (l *lane) moveTo(other *lane, most int) {
	if l.length == 0 || most == 0 {
		return
	}
	head, tail, n := l.head, l.tail, l.length
	if n > most {
		tail, n = head, most
		for range most - 1 {
			tail = tail.next
		}
	}
	l.head = tail.next
	l.length -= n
	if l.length == 0 {
		l.tail = nil
	}
	tail.next = nil
	other.append(head, tail, n)
}
