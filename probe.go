package ratelimit

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// minPause and maxPause are the shortest and the longest time between two
	// probes. Each is twice the one before, give or take a quarter.
	minPause = 25 * time.Millisecond
	maxPause = 400 * time.Millisecond
	// interest is for how long a breaker probes while nobody calls.
	interest = 5 * time.Second
)

// report tells a breaker how a run ended, one for s that began at start.
func (l *Limiter) report(b *breaker, s *sum, start time.Time, err error) {
	if b == nil {
		return
	}
	switch yes, asked := heard(err); {
	case yes:
		if b.failures.Load() == 0 {
			return // as nearly always
		}
		if before := b.spoke(); before != BreakerClosed {
			l.tell(BreakerEvent{From: before, State: BreakerClosed, Elapsed: b.away()})
		}
	case asked:
		o, before := b.silent(start, err)
		if o == nil {
			return
		}
		l.tell(BreakerEvent{From: before, State: BreakerOpen, Err: err, Class: classify(err)})
		p := &probe{l: l, breaker: b, outage: o, caller: *s}
		time.AfterFunc(0, p.run)
	}
}

// probe asks Redis now and then, while a breaker is open, whether it is back.
type probe struct {
	l       *Limiter
	breaker *breaker
	outage  *outage
	caller  sum // in whose name it asks
	pause   time.Duration
	idle    time.Duration // since somebody called
}

func (p *probe) run() {
	if p.breaker.outage.Load() != p.outage {
		return // something else got an answer
	}
	if caller := p.outage.caller.Swap(nil); caller != nil {
		p.caller, p.idle = *caller, 0
	}
	if p.idle >= interest {
		if p.breaker.forget(p.outage) {
			p.l.tell(BreakerEvent{From: BreakerOpen, State: BreakerHalfOpen, Elapsed: p.breaker.away()})
		}
		return
	}
	defer p.again() // also if the store ends the goroutine
	p.ask()
}

// ask looks at the state of an identity. It takes nothing.
func (p *probe) ask() {
	l := p.l
	ctx := l.deadlines.Within(context.Background(), l.timeout)
	defer ctx.End()
	args := l.program.AppendRequest(l.program.AppendParams(nil), 0, 0)
	_, err := l.run(ctx, l.program.Script(), []string{l.keys.key(&p.caller)}, args)
	l.report(p.breaker, &p.caller, ctx.Began(), err)
	p.idle += time.Since(ctx.Began())
}

func (p *probe) again() {
	p.pause = min(max(2*p.pause, minPause), maxPause)
	pause := p.pause*3/4 + rand.N(p.pause/2)
	p.idle += pause
	time.AfterFunc(pause, p.run)
}
