package main

import "strings"

// win records that a contestant does better than ratelimit with its defaults, under one
// workload and in some of the figures.
type win struct {
	workload   *workload
	contestant *contestant
	figures    []string // of winFigures, each in words, or "" if it is not better
}

// winFigures are the figures that are compared.
var winFigures = []struct {
	name   string
	better func(a, b sample) bool
	text   func(sample) string
}{
	{"decisions/s", func(a, b sample) bool { return a.perSecond > b.perSecond }, func(s sample) string { return round3(s.perSecond) }},
	{"p99", func(a, b sample) bool { return a.p99 < b.p99 }, func(s sample) string { return latency(s.p99) }},
	{"Redis CPU", func(a, b sample) bool { return a.redisCPU < b.redisCPU }, func(s sample) string { return round3(s.redisCPU) + " µs" }},
}

// wins returns which contestants do better than ratelimit with its defaults, on either
// client, under each workload. Nobody is left out: floors, which decide nothing, limiters
// in memory and ratelimit WithoutBatching are all included.
func wins(results []*result) (all []win) {
	for _, r := range results {
		for _, o := range r.outcomes {
			if o.contestant.kind == ours || len(o.samples) == 0 {
				continue
			}
			if w := r.win(o); strings.Join(w.figures, "") != "" {
				all = append(all, w)
			}
		}
	}
	return all
}

// win compares one contestant with ratelimit on both clients.
func (r *result) win(o *outcome) win {
	w := win{r.workload, o.contestant, make([]string, len(winFigures))}
	theirs := o.figures()
	for i, f := range winFigures {
		if f.name == "Redis CPU" && o.contestant.client == "" {
			continue // it needs none
		}
		var beaten []string
		for _, name := range []string{nameOurs, nameOursRueidis} {
			if own := r.of(name); own != nil && f.better(theirs, own.figures()) {
				beaten = append(beaten, f.text(own.figures())+" on "+own.contestant.client)
			}
		}
		if len(beaten) > 0 {
			w.figures[i] = f.text(theirs) + " (ours: " + strings.Join(beaten, ", ") + ")"
		}
	}
	return w
}
