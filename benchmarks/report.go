package main

import (
	"fmt"
	"io"
	"strings"
)

// report has everything that is reported.
type report struct {
	setting  setting
	settings *settings
	results  []*result
	growths  []*growth
	charts   []chart // that were drawn
}

// write writes the report as Markdown.
func (r *report) write(w io.Writer) error {
	b := &strings.Builder{}
	fmt.Fprint(b, "# Benchmarks\n\n")
	r.method(b)
	for _, one := range r.results {
		r.result(b, one)
	}
	r.wins(b)
	r.contestants(b)
	if len(r.growths) > 0 {
		fmt.Fprint(b, "## How cost grows\n\n")
		fmt.Fprintf(b, "All of this measures ratelimit with its defaults, on go-redis, with a token bucket. Sizes take\nturns too, each on a database of its own.\n\n")
		for _, g := range r.growths {
			r.growth(b, g)
		}
	}
	if _, err := io.WriteString(w, strings.TrimRight(b.String(), "\n")+"\n"); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func (r *report) method(b *strings.Builder) {
	s := r.settings
	t := r.setting.table()
	t.add("rounds", fmt.Sprintf("%d, of %v for each contestant", s.rounds, s.time))
	t.add("connections of go-redis", poolText(s.pool))
	t.write(b)
	fmt.Fprintf(b, `All contestants were measured in one run, on one Redis: trust the ratios, not the figures.
All contestants on go-redis share one client. On rueidis, ratelimit uses the client that its
Open makes, in which a lone caller has a connection of its own; the floors use another client.
In each round the contestants were measured one right after the other, so that noise hits all
alike. Figures are medians over the rounds, and a ratio is the median of the ratios of the
rounds. For a single caller, each round is ten short ones, because most of its latency is the
time that a virtual machine takes to wake, which changes within seconds.

Each contestant's keys are in a database of its own, which is swapped in for the contestant's
turn. Keys that are drawn evenly all exist before anything is measured; of other keys, the
popular ones do. Limits refill slowly, so that a key outlives the time until it is drawn
again. Latency is that of every call, within 1.6 %%. All other figures are per decision:
Redis's CPU time (from INFO) and the client's (from getrusage), both of all threads;
allocations of the client; bytes that Redis received and sent. Our limiters may take %v for a
decision, as long as go-redis allows our rivals, instead of 250 ms.

"From core to core" is the time until one core sees what another has written; it is measured
before each round. Where callers meet on a key, it can be more than half of what a decision
costs the client, and the cores of a virtual machine may be close at one time and far apart at
another.

A decision that failed or cannot be right (a denial where everything is allowed, or an
admission beyond twice a tight limit) does not count: throughput and costs are those of right
decisions. ⚠ marks contestants that erred.

`, oursTimeout)
}

func poolText(pool int) string {
	if pool == 0 {
		return "its default, ten for each core"
	}
	return fmt.Sprint(pool)
}

// result writes one workload.
func (r *report) result(b *strings.Builder, one *result) {
	fmt.Fprintf(b, "## %s\n\n", capital(one.workload.String()))
	text := one.workload.describe(r.settings.keys)
	fmt.Fprintf(b, "%s.", capital(text))
	if cores := rangeText(one.cores); cores != "" {
		fmt.Fprintf(b, " From core to core: %s.", cores)
	}
	fmt.Fprint(b, "\n\n")
	r.chart(b, one.workload.String())
	t := &table{header: []string{"contestant", "decisions/s", "× redis_rate", "× empty script, rueidis", "p50", "p99",
		"Redis CPU", "client CPU", "allocations", "bytes"}}
	reference, base := one.of(nameReference), one.of(nameFloorRueidis)
	var erred []string
	for _, o := range one.outcomes {
		if len(o.samples) == 0 {
			continue
		}
		f := o.figures()
		name := o.contestant.name
		switch o.contestant.kind {
		case ours:
			name = "**" + name + "**"
		case local:
			name += " (not distributed)"
		}
		if f.failed+f.wrong > 0 {
			name += " ⚠"
			erred = append(erred, mishaps(o.contestant, f))
		}
		toBase := none
		if o.contestant.client == "rueidis" {
			toBase = times(o.ratioTo(base))
		}
		redisCPU, bytes := round3(f.redisCPU)+" µs", round3(f.bytes)
		if o.contestant.client == "" {
			redisCPU, bytes = none, none
		}
		t.add(name, round3(f.perSecond), times(o.ratioTo(reference)), toBase, latency(f.p50), latency(f.p99),
			redisCPU, round3(f.clientCPU)+" µs", round3(f.allocs), bytes)
	}
	t.write(b)
	if one.workload.callers == 1 {
		writeLatencies(b, one)
	}
	for _, line := range erred {
		fmt.Fprintf(b, "⚠ %s\n\n", line)
	}
}

// writeLatencies compares our medians with those of the floors on the same clients.
func writeLatencies(b *strings.Builder, one *result) {
	t := &table{header: []string{"median latency", "× empty script", "× least script"}}
	for _, names := range [][3]string{{nameOurs, nameFloorGoRedis, nameLeastGoRedis}, {nameOursRueidis, nameFloorRueidis, nameLeastRueidis}} {
		own := one.of(names[0])
		if own == nil {
			continue
		}
		row := []string{names[0]}
		for _, floor := range names[1:] {
			row = append(row, times(own.latencyTo(one.of(floor))))
		}
		t.add(row...)
	}
	if len(t.rows) > 0 {
		t.write(b)
	}
}

// mishaps says how often and how a contestant erred.
func mishaps(c *contestant, f sample) string {
	text := fmt.Sprintf("%s: of %s decisions, %s failed and %s were wrong", c.name, count(f.decisions), count(f.failed), count(f.wrong))
	if f.err != nil {
		text += fmt.Sprintf("; an error: %q", f.err.Error())
	}
	return text + "."
}

func (r *report) wins(b *strings.Builder) {
	fmt.Fprint(b, "## Where others do better\n\n")
	var rivals, others []win
	for _, w := range wins(r.results) {
		if k := w.contestant.kind; k == rival || k == alone {
			rivals = append(rivals, w)
		} else {
			others = append(others, w)
		}
	}
	fmt.Fprint(b, `Computed from the tables above: which contestants have more decisions a second, a lower p99 or
less of Redis's CPU time for a decision than ratelimit with its defaults, on go-redis or on
rueidis.

`)
	writeWins(b, rivals)
	fmt.Fprint(b, "The same for contestants that decide in memory, and so not for a fleet, and for the floors, which\ndecide nothing:\n\n")
	writeWins(b, others)
}

func writeWins(b *strings.Builder, all []win) {
	if len(all) == 0 {
		fmt.Fprint(b, "Nowhere in this run.\n\n")
		return
	}
	t := &table{words: true, header: []string{"workload", "contestant"}}
	for _, f := range winFigures {
		t.header = append(t.header, f.name)
	}
	for _, w := range all {
		t.add(append([]string{w.workload.String(), w.contestant.name}, w.figures...)...)
	}
	t.write(b)
}

func (r *report) contestants(b *strings.Builder) {
	fmt.Fprint(b, "## Contestants\n\n")
	t := &table{words: true, header: []string{"contestant", "what it does"}}
	for _, c := range r.settings.contestants {
		t.add(c.name, c.note)
	}
	t.write(b)
}

func (r *report) growth(b *strings.Builder, g *growth) {
	fmt.Fprintf(b, "### %s\n\n%s\n\n", capital(g.of), g.intro)
	r.chart(b, "growth of "+g.of)
	t := &table{header: []string{g.of, "decisions/s", "Redis CPU", "client CPU"}}
	if g.memory {
		t.header = append(t.header, "Redis memory per identity", "a cold read")
	}
	var erred []string
	for _, p := range g.points {
		f := p.figures()
		row := []string{count(int64(p.size)), round3(f.perSecond), round3(f.redisCPU) + " µs", round3(f.clientCPU) + " µs"}
		switch {
		case g.memory && p.size >= memoryIdentities:
			row = append(row, round3(p.memory)+" B", latency(p.read))
		case g.memory:
			row = append(row, none, latency(p.read))
		}
		t.add(row...)
		if f.failed+f.wrong > 0 {
			erred = append(erred, fmt.Sprintf("at %s: %s", row[0], mishaps(ratelimitGoRedis(), f)))
		}
	}
	t.write(b)
	for _, line := range erred {
		fmt.Fprintf(b, "⚠ %s\n\n", line)
	}
	first, last := g.points[0], g.points[len(g.points)-1]
	fmt.Fprintf(b, "%s %s against %s: %s the decisions a second, %s Redis's CPU time for each, %s the client's.\n\n",
		count(int64(last.size)), g.of, count(int64(first.size)),
		last.to(first, func(s sample) float64 { return s.perSecond }),
		last.to(first, func(s sample) float64 { return s.redisCPU }),
		last.to(first, func(s sample) float64 { return s.clientCPU }))
}

// memoryIdentities is the least number of identities for which memory is reported.
const memoryIdentities = 10_000

// chart links to the chart with this title, if it was drawn.
func (r *report) chart(b *strings.Builder, title string) {
	for _, c := range r.charts {
		if c.title == title {
			fmt.Fprintf(b, "![%s](%s)\n\n", c.alt, c.link)
		}
	}
}

// capital returns text with its first letter in upper case.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
