package faults

import (
	"strings"
	"sync"
	"testing"

	"github.com/distributed-rate-limiter/ratelimit"
)

// classesTold has the classes that observers were told of, by the names of the faults.
type classesTold struct {
	mu  sync.Mutex
	all map[string]map[ratelimit.ErrorClass]bool
	by  map[string]int // how many clients have tried the fault
}

func (c *classesTold) add(f fault, total *tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[f.name] == nil {
		c.all[f.name] = map[ratelimit.ErrorClass]bool{}
	}
	for class := range total.classes {
		c.all[f.name][class] = true
	}
	c.by[f.name]++
}

// tryOn tries faults one after the other, on one group of servers for each driver, because it
// takes long to start several servers. start starts a group; of returns its faults.
func tryOn[S any](t *testing.T, start func(t *testing.T) S, of func(S) []fault) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long: run without -short")
	}
	told := classesTold{all: map[string]map[ratelimit.ErrorClass]bool{}, by: map[string]int{}}
	t.Run("with", func(t *testing.T) { // ends when all subtests in it have
		for _, driver := range []string{"goredis", "rueidis"} {
			t.Run(driver, func(t *testing.T) {
				t.Parallel()
				for _, f := range of(start(t)) {
					for _, c := range clients {
						if !strings.HasPrefix(c.name, driver) || c.defaults && !f.defaults {
							continue
						}
						t.Run(strings.ReplaceAll(f.name, " ", "_")+"/"+c.name, func(t *testing.T) { told.add(f, f.run(t, c)) })
					}
				}
			})
		}
	})
	var none S
	for _, f := range of(none) {
		for _, class := range f.classes {
			if !t.Failed() && told.by[f.name] > 1 && !told.all[f.name][class] {
				t.Errorf("%s: no client was told of class %q: it is to be declared no more, or as rare", f.name, class)
			}
		}
	}
}
