package main

import (
	"context"
	"fmt"
	"time"
)

// growth is how costs grow with the number of one thing.
type growth struct {
	of     string // identities, processes, limiters
	intro  string
	points []*point
	memory bool // whether points have memory and read
}

// point is what was measured at one size.
type point struct {
	size    int
	samples []sample
	memory  float64 // bytes of Redis per identity
	read    time.Duration
}

func (p *point) figures() sample { return (&outcome{samples: p.samples}).figures() }

// to returns the median over rounds of a figure divided by that of another point in the
// same round.
func (p *point) to(other *point, figure func(sample) float64) string {
	ratio, known := ratio(p.samples, other.samples, figure)
	return times(ratio, known)
}

// growthCallers is the number of callers of each process.
const growthCallers = 512

// growing is the scene of all growth. Its keys all exist, and live for some ten minutes
// after two decisions. Its limit is chosen so that states are written alike however many
// identities there are: nearly always by adding to them. That requires that at most 921
// units are owed, and that they come back within 72 hours. Both hold even with the fewest
// identities, which take hundreds of units each.
var growing = &scene{name: "growing", keys: uniform, limit: limit{120_000, year}}

// sizes are the sizes at which growth is measured.
type sizes struct {
	identities, processes, limiters []int
}

var growthSizes = sizes{
	identities: []int{1_000, 10_000, 100_000, 1_000_000, 5_000_000},
	processes:  []int{1, 2, 4, 8},
	limiters:   []int{1, 10, 100, 1_000},
}

// measureGrowth measures each kind of growth, each beginning with an empty Redis.
func (l *lab) measureGrowth(ctx context.Context, s sizes) (all []*growth, err error) {
	for _, one := range []struct {
		of      string
		measure func(context.Context, *growth, []int) (*growth, error)
		sizes   []int
	}{
		{"identities", l.growIdentities, s.identities},
		{"processes", l.growProcesses, s.processes},
		{"limiters", l.growLimiters, s.limiters},
	} {
		if err := l.admin.flush(ctx); err != nil {
			return nil, err
		}
		g, err := one.measure(ctx, &growth{of: one.of}, one.sizes)
		if err != nil {
			return nil, fmt.Errorf("growth of %s: %w", one.of, err)
		}
		all = append(all, g)
	}
	return all, l.admin.flush(ctx)
}

// grow prepares and then measures all sizes, each on a database of its own. The sizes take
// turns, round by round, so that noise affects all alike.
func (l *lab) grow(ctx context.Context, g *growth, sizes []int, prepare func(p *point) error, measure func(point, round int) (sample, error)) (*growth, error) {
	for i, size := range sizes {
		l.say("growing: %d %s", size, g.of)
		p := &point{size: size}
		if err := l.turn(ctx, i, func() error { return prepare(p) }); err != nil {
			return nil, err
		}
		g.points = append(g.points, p)
	}
	for round := range l.rounds {
		l.say("growing: %s: round %d of %d", g.of, round+1, l.rounds)
		for turn := range sizes {
			i := (turn + round) % len(sizes) // so that none is always first
			err := l.turn(ctx, i, func() error {
				s, err := measure(i, round)
				g.points[i].samples = append(g.points[i].samples, s)
				return err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

// sampleGrowth measures one round at one size.
func (l *lab) sampleGrowth(ctx context.Context, subject *subject, identities []string, round int) (sample, error) {
	t, err := measure(ctx, l.admin, subject, load{
		goroutines: growthCallers, pipeline: 1, keys: uniform, identities: identities, seed: uint64(round + 1), time: l.time,
	})
	if err != nil {
		return sample{}, err
	}
	return newSample(t, growing, ratelimitGoRedis(), len(identities)), nil
}

// openBatched returns the subject of all growth: ratelimit with its defaults, on go-redis.
func (l *lab) openBatched(ctx context.Context, identities []string) (*subject, error) {
	subject, err := ratelimitGoRedis().open(l.clients, growing.limit)
	if err != nil {
		return nil, err
	}
	return subject, growing.warmUp(ctx, warmSome, subject, 1, identities)
}
