package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// chart is a picture that was drawn.
type chart struct {
	title string // of what is charted
	alt   string
	link  string // from a document beside the folder
}

// drawCharts draws a chart of each workload and each growth into folder.
func drawCharts(folder string, r *report) (charts []chart, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("-charts is %q: %w", folder, err)
	}
	draw := func(title, alt string, s *svg) error {
		name := fileName(title) + ".svg"
		if err := os.WriteFile(filepath.Join(folder, name), s.bytes(), 0o644); err != nil {
			return fmt.Errorf("-charts is %q: %w", folder, err)
		}
		charts = append(charts, chart{title, alt, path.Join(filepath.Base(folder), name)})
		return nil
	}
	for _, one := range r.results {
		title := one.workload.String()
		if err := draw(title, "Decisions per second: "+title, resultChart(one)); err != nil {
			return nil, err
		}
	}
	for _, g := range r.growths {
		title := "growth of " + g.of
		if err := draw(title, capital(title), growthChart(g)); err != nil {
			return nil, err
		}
	}
	return charts, nil
}

// resultChart shows decisions per second.
func resultChart(r *result) *svg {
	var bars []bar
	for _, o := range r.outcomes {
		if len(o.samples) == 0 {
			continue
		}
		f := o.figures()
		b := bar{label: o.contestant.name, value: f.perSecond, text: round3(f.perSecond),
			colour: map[kind]string{ours: oursColour, alone: aloneColour, rival: rivalColour, local: faintColour, floor: floorColour}[o.contestant.kind],
			bold:   o.contestant.kind == ours, aside: o.contestant.kind == local}
		if b.aside {
			b.label += " (not distributed)"
		}
		if n := f.failed + f.wrong; n > 0 {
			b.text += fmt.Sprintf(", %.1f %% errors", 100*float64(n)/float64(f.decisions))
		}
		bars = append(bars, b)
	}
	return drawBars("Right decisions per second: "+r.workload.String(), bars)
}

// growthChart shows Redis's CPU time per decision for a growth of identities, and the
// throughput for others.
func growthChart(g *growth) *svg {
	title := "Redis CPU per decision, µs"
	figure := func(s sample) (float64, string) { return s.redisCPU, round3(s.redisCPU) }
	if g.of != "identities" {
		title = "Decisions per second"
		figure = func(s sample) (float64, string) { return s.perSecond, round3(s.perSecond) }
	}
	var dots []dot
	for _, p := range g.points {
		value, text := figure(p.figures())
		dots = append(dots, dot{count(int64(p.size)), value, text})
	}
	return drawLine(title, g.of, dots)
}

// fileName returns title in lower-case letters, digits and hyphens.
func fileName(title string) string {
	words := strings.FieldsFunc(strings.ToLower(title), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(words, "-")
}
