package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// lab has everything that measurements need.
type lab struct {
	*settings
	admin      *admin
	clients    *clients
	identities []string
	progress   io.Writer
}

// say prints progress.
func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(l.progress, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// outcome has all samples of one contestant under one workload, in the order of rounds.
type outcome struct {
	contestant *contestant
	samples    []sample
}

// result is the result of one workload. The samples of a round were taken one right after
// the other.
type result struct {
	workload *workload
	outcomes []*outcome
	cores    []time.Duration // of betweenCores, by round
}

// measureWorkloads measures the workloads, scene by scene.
func (l *lab) measureWorkloads(ctx context.Context) (results []*result, err error) {
	for rest := l.workloads; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].scene == rest[0].scene {
			n++
		}
		some, err := l.measureScene(ctx, rest[0].scene, rest[:n])
		if err != nil {
			return nil, err
		}
		results, rest = append(results, some...), rest[n:]
	}
	return results, nil
}

// measureScene measures the workloads of one scene. The keys of each contestant are in a
// database of its own, which is swapped in for the contestant's turn. So keys are warmed
// only once, and no contestant's keys are in the way of another's.
func (l *lab) measureScene(ctx context.Context, s *scene, workloads []*workload) ([]*result, error) {
	subjects := make([]*subject, len(l.contestants))
	defer func() {
		for _, subject := range subjects {
			subject.close()
		}
	}()
	if err := l.admin.flush(ctx); err != nil {
		return nil, err
	}
	for i, c := range l.contestants {
		l.say("warming up: %s: %s", s.name, c)
		err := l.turn(ctx, i, func() (err error) {
			if subjects[i], err = c.open(l.clients, s.limit); err != nil {
				return err
			}
			return s.warmUpFor(ctx, c, l.clients, subjects[i], l.identities)
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", s.name, c, err)
		}
	}
	var results []*result
	for _, w := range workloads {
		r, err := l.measureWorkload(ctx, w, subjects)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w, err)
		}
		results = append(results, r)
	}
	return results, l.admin.flush(ctx)
}

// measureWorkload lets all contestants take turns, round by round. If a round of the
// workload has several turns, each of them counts as a round of its own.
func (l *lab) measureWorkload(ctx context.Context, w *workload, subjects []*subject) (*result, error) {
	r := &result{workload: w}
	for _, c := range l.contestants {
		r.outcomes = append(r.outcomes, &outcome{contestant: c})
	}
	turns := w.turns()
	for round := range l.rounds * turns {
		if round%turns == 0 {
			l.say("measuring: %s: round %d of %d", w, round/turns+1, l.rounds)
		}
		r.cores = append(r.cores, betweenCores())
		for turn := range l.contestants {
			i := (turn + round) % len(l.contestants) // so that nobody is always first
			c := l.contestants[i]
			if c.pipeline > w.callers {
				continue // so few callers do not fill one pipeline
			}
			err := l.turn(ctx, i, func() error {
				t, err := measure(ctx, l.admin, subjects[i], load{
					goroutines: w.callers / c.pipeline,
					pipeline:   int64(c.pipeline),
					keys:       w.keys,
					identities: l.identities,
					seed:       uint64(round + 1),
					time:       l.time / time.Duration(turns),
				})
				if err != nil {
					return err
				}
				o := r.outcomes[i]
				o.samples = append(o.samples, newSample(t, w.scene, c, len(l.identities)))
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c, err)
			}
		}
	}
	return r, nil
}

// turn calls do while the database of the i-th contestant is swapped in.
func (l *lab) turn(ctx context.Context, i int, do func() error) error {
	if err := l.admin.swap(ctx, i+1); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return l.admin.swap(ctx, i+1)
}
