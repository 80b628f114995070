package algorithm

// Outcomes reads the outcomes of a run under one limit, in the order in which its requests
// were appended. The outcomes of the requests of one append are a row. An Outcomes must not
// be copied once it is in use.
//
//	outcomes, err := program.Outcomes(reply)
//	for each append {
//		outcomes.Row(n)
//		for each request of it {
//			outcome, err := outcomes.Next()
//		}
//	}
//	err = outcomes.End()
type Outcomes struct {
	program *Program
	reply   []int64
	told    int // how many triples of the reply have been read

	n       int64 // units that each request of the row asked for
	begun   bool  // whether last and failed belong to the row
	last    Outcome
	failed  error
	counted int64 // how many outcomes after last the reply only counts
	more    int64 // how much later each of these resets than the one before
}

// Outcomes returns a reader of reply. Its error wraps [store.ErrReply]: the reply has no Now.
func (p *Program) Outcomes(reply []int64) (Outcomes, error) {
	if len(reply) == 0 {
		return Outcomes{}, p.CheckReply(reply, 0)
	}
	return Outcomes{program: p, reply: reply}, p.checkNow(reply)
}

// Row begins the outcomes of one append, whose requests were for n units each, n >= 0.
// AppendOnes appends one row for each key.
func (o *Outcomes) Row(n int64) {
	o.n, o.begun = n, false
}

// Next returns the outcome of the row's next request. Its error wraps [ErrFailed], or
// [store.ErrReply] if the reply cannot be one to this run; then trust none of its outcomes.
func (o *Outcomes) Next() (Outcome, error) {
	if o.begun && (o.failed != nil || !o.last.Allowed()) {
		return o.last, o.failed
	}
	if o.counted == 0 && o.begun {
		o.count()
	}
	if o.counted > 0 {
		return o.follow()
	}
	o.last, o.failed = o.program.Outcome(o.reply, o.told, 0)
	o.told++
	o.begun = true
	return o.last, o.failed
}

// count reads how many outcomes follow last, if the reply goes on with such a count.
func (o *Outcomes) count() {
	next := o.reply[min(1+perLimit*o.told, len(o.reply)):]
	if len(next) >= perLimit && next[0] == retryCounted && next[1] > 0 {
		o.counted, o.more = next[1], next[2]
		o.told++
	}
}

// follow returns the next outcome that the reply only counts.
func (o *Outcomes) follow() (Outcome, error) {
	if !o.begun { // it was counted for the row before
		return Outcome{}, o.miscounted()
	}
	// A value that overflows 64 bits becomes negative, which is not possible either.
	o.last.Remaining -= o.n
	o.last.ResetAfter += o.more
	o.counted--
	if !o.program.possible(o.last, 0) {
		o.failed = o.program.invalid("by its count, limit %s answered remaining %d, reset %d: must be 0 to %d, 0 to 2^53",
			o.program.limits[0].Name, o.last.Remaining, o.last.ResetAfter, o.program.limits[0].Limit)
		return Outcome{}, o.failed
	}
	return o.last, nil
}

// End returns an error that wraps [store.ErrReply] if the reply has more than what was read.
func (o *Outcomes) End() error {
	if o.counted > 0 {
		return o.miscounted()
	}
	return o.program.CheckReply(o.reply, o.told)
}

func (o *Outcomes) miscounted() error {
	return o.program.invalid("the reply counts %d outcomes more than there are requests", o.counted)
}
