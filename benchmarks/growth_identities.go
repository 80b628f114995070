package main

import (
	"context"
	"fmt"
	"slices"
)

// growIdentities measures increasing numbers of identities, which are drawn evenly.
func (l *lab) growIdentities(ctx context.Context, g *growth, numbers []int) (*growth, error) {
	g.memory = true
	g.intro = fmt.Sprintf("%d callers of one process, every identity known to Redis by two decisions, "+
		"drawn evenly. Memory is what Redis uses beyond what it used before, divided by the keys; "+
		"it is left out for few keys, where Redis's buffers for connections would blur it. "+
		"A cold read is one random read from that much memory. A key takes Redis %d of them if it was not used lately, "+
		"and on a virtual machine they may be expensive.", growthCallers, coldReads)
	all := identities(slices.Max(numbers))
	subject, err := l.openBatched(ctx, all[:1])
	if err != nil {
		return nil, err
	}
	if err := l.admin.flush(ctx); err != nil { // removes the one identity that opened the connections
		return nil, err
	}
	return l.grow(ctx, g, numbers, func(p *point) (err error) {
		p.read = readOf(p.size * keyBytes)
		if p.memory, err = l.fillMeasured(ctx, p.size); err != nil {
			return err
		}
		return growing.warmUp(ctx, warmSome, subject, 1, all[:p.size])
	}, func(point, round int) (sample, error) {
		return l.sampleGrowth(ctx, subject, all[:numbers[point]], round)
	})
}

// fillMeasured creates n identities, and returns how many bytes of memory Redis has in use
// for each.
func (l *lab) fillMeasured(ctx context.Context, n int) (float64, error) {
	before, err := l.admin.memory(ctx)
	if err != nil {
		return 0, err
	}
	if err := l.fill(ctx, 0, n, func(int) string { return oursNamespace }); err != nil {
		return 0, err
	}
	after, err := l.admin.memory(ctx)
	return (after - before) / float64(n), err
}
