package ratelimit

import (
	"errors"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// A run that a Cluster refuses because of where its keys are goes again in smaller runs.

// crossesSlots reports whether the batch was refused because its keys are in several hash
// slots. Then nothing was run.
func (b *batch) crossesSlots() bool {
	if b.across || len(b.runs) != 1 || len(b.groups) < 2 || b.err != nil {
		return false
	}
	return refusal(b.runs[0].Err) == "CROSSSLOT"
}

// split parts the batch by hash slot.
func (b *batch) split(l *Limiter) {
	if l.partitions.learn() {
		l.breakers.renew(true)
	}
	for _, g := range b.groups {
		l.batcher.findPartition(l, g.calls[0])
	}
	b.sort()
}

// mustPart reports whether any of the runs was refused because its keys are not all on one
// server, or are moving to another. Nothing of such a run was run.
func (b *batch) mustPart() bool {
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

// strays reports whether a run of keys of several slots was refused for a reason that may not
// hold for runs of one slot: at least one key is on another server by now, or the run's
// server has become a replica that does not have all of its master's data yet. (Redis
// redirects only runs that declare their keys.)
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

// astride reports whether a run was refused because the slot of its keys is moving from one
// node to another, and neither has all of them.
func (b *batch) astride(run int) bool {
	return len(b.groupsOf(run)) > 1 && refusal(b.failure(run)) == "TRYAGAIN"
}

// part answers the calls that are decided, and splits the others into smaller runs. Runs of
// several slots become runs of one slot each. Other runs become runs of one key each, which
// is redirected to the node that has the key, or will have it. Redis advises to wait until
// the slot has moved, but that may take for ever: a move that was broken off does not go on
// by itself.
func (b *batch) part(l *Limiter) {
	var rest []group
	for i := range b.runs {
		if b.strays(i) || b.astride(i) {
			rest = append(rest, b.groupsOf(i)...)
		} else {
			b.answerRun(l, i)
		}
	}
	b.groups = append(b.groups[:0], rest...)
	b.across, b.alone = false, !b.across
	b.sort()
}

// refusal returns the code of the error that Redis replied with, or "" if err is not one.
func refusal(err error) string {
	server, ok := errors.AsType[*store.ServerError](err)
	if !ok {
		return ""
	}
	return server.Prefix()
}
