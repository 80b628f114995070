package ratelimit

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// minPause and maxPause are the shortest and the longest pause between two probes. Each
	// pause is twice the one before, give or take a quarter.
	minPause = 25 * time.Millisecond
	maxPause = 400 * time.Millisecond
	// interest is how long a breaker goes on probing while nobody calls.
	interest = 5 * time.Second
)

// report tells a breaker how a run ended that was for the identity with hash s and began at
// start. A run that failed because its caller's context, ctx, ended says nothing about Redis.
func (l *Limiter) report(ctx context.Context, b *breaker, s *sum, start time.Time, err error) {
	if b == nil || err != nil && ended(ctx) != nil {
		return
	}
	switch yes, asked := heard(err); {
	case yes:
		if b.failures.Load() == 0 {
			return // the usual case
		}
		b.spoke()
		b.announce(l.tell)
	case asked:
		o := b.silent(start, err)
		if o == nil {
			return
		}
		// The probe starts first, because an observer may take its time.
		p := &probe{l: l, breaker: b, outage: o, caller: *s}
		time.AfterFunc(0, p.run)
		b.announce(l.tell)
	}
}

// probe asks Redis from time to time, while a breaker is open, whether it is back.
type probe struct {
	l       *Limiter
	breaker *breaker
	outage  *outage
	caller  sum // the identity that it asks for
	pause   time.Duration
	idle    time.Duration // for how long nobody has called
}

func (p *probe) run() {
	if p.breaker.outage.Load() != p.outage {
		return // a run got an answer, perhaps the probe's own
	}
	if caller := p.outage.caller.Swap(nil); caller != nil {
		p.caller, p.idle = *caller, 0
	}
	if p.idle >= interest {
		if p.breaker.forget(p.outage) {
			p.breaker.announce(p.l.tell)
		}
		return
	}
	defer p.again() // also if the store ends the goroutine
	p.ask()
}

func (p *probe) ask() {
	start := time.Now()
	_ = p.l.look(context.Background(), p.breaker, &p.caller)
	p.idle += time.Since(start)
}

func (p *probe) again() {
	p.pause = min(max(2*p.pause, minPause), maxPause)
	pause := p.pause*3/4 + rand.N(p.pause/2)
	p.idle += pause
	time.AfterFunc(pause, p.run)
}
