package ratelimit

import (
	"errors"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// What a Cluster refuses to run for where the keys are goes again in smaller runs.

// crossesSlots reports whether the batch was refused since its keys are not all on
// one server. Then nothing was run.
func (b *batch) crossesSlots() bool {
	if b.across || len(b.runs) != 1 || len(b.groups) < 2 || b.err != nil {
		return false
	}
	return refusal(b.runs[0].Err) == "CROSSSLOT"
}

// split parts the batch by hash slots.
func (b *batch) split(l *Limiter) {
	if l.partitions.learn() {
		l.breakers.renew(true)
	}
	for _, g := range b.groups {
		l.batcher.place(l, g.calls[0])
	}
	b.sort()
}

// isParted reports whether any of the runs was refused since its keys are not all on one
// server, or on their way to another. Then nothing of that one was run.
func (b *batch) isParted() bool {
	if b.err != nil {
		return false
	}
	for i := range b.runs {
		if b.strays(i) || b.astride(i) {
			return true
		}
	}
	return false
}

// strays reports whether a run of keys of several slots was refused where runs of one may
// not be: one key at least is on another server by now, or that server has become a
// replica, which has not got all from its master yet. Redis redirects only those who
// declare their keys.
func (b *batch) strays(run int) bool {
	if !b.across {
		return false
	}
	switch refusal(b.failure(run)) {
	case "CROSSSLOT", "MASTERDOWN", "LOADING":
		return true
	}
	return false
}

// astride reports whether a run was refused since the slot of its keys is on its way from
// one node to another, which does not have all of them.
func (b *batch) astride(run int) bool {
	return len(b.of(run)) > 1 && refusal(b.failure(run)) == "TRYAGAIN"
}

// part answers what is decided, and leaves the rest in smaller runs: of one slot each,
// if they were of several, and otherwise of one key, which are redirected to the node that
// has it, or is to have it. To wait until the slot has arrived, as Redis advises, may take
// long: a move that was broken off stays so.
func (b *batch) part(l *Limiter) {
	var rest []group
	for i := range b.runs {
		if b.strays(i) || b.astride(i) {
			rest = append(rest, b.of(i)...)
		} else {
			b.answerRun(l, i)
		}
	}
	b.groups = append(b.groups[:0], rest...)
	b.across, b.alone = false, !b.across
	b.sort()
}

// refusal returns the code of an error that Redis replied with, or "".
func refusal(err error) string {
	server, ok := errors.AsType[*store.ServerError](err)
	if !ok {
		return ""
	}
	return server.Prefix()
}
