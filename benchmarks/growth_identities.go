package main

import (
	"context"
	"fmt"
)

// growIdentities measures at a growing number of keys, from which is drawn evenly.
func (l *lab) growIdentities(ctx context.Context, numbers []int) (*growth, error) {
	g := &growth{memory: true, intro: fmt.Sprintf("%d callers of one process, every identity known to Redis, "+
		"drawn evenly. Memory is all that Redis has in use beyond what it had when empty, divided by the keys; "+
		"it is not told of so few keys that Redis's buffers for connections would blur it.", growthCallers)}
	subject, err := l.openBatched(ctx, identities(1))
	if err != nil {
		return nil, err
	}
	if err := l.admin.flush(ctx); err != nil { // the one identity that connections were opened with
		return nil, err
	}
	empty, err := l.admin.memory(ctx)
	if err != nil {
		return nil, err
	}
	filled := 0
	for _, n := range numbers {
		l.say("growing: %d identities", n)
		if err := l.fill(ctx, filled, n, func(int) string { return oursNamespace }); err != nil {
			return nil, err
		}
		filled = n
		p := &point{size: n}
		used, err := l.admin.memory(ctx)
		if err != nil {
			return nil, err
		}
		p.memory = (used - empty) / float64(n)
		all := identities(n)
		if err := growing.warmUp(ctx, warmSome, subject, 1, all); err != nil {
			return nil, err
		}
		for round := range l.rounds {
			s, err := l.sampleGrowth(ctx, subject, all, round)
			if err != nil {
				return nil, err
			}
			p.samples = append(p.samples, s)
		}
		g.points = append(g.points, p)
	}
	return g, nil
}
