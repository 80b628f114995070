package ratelimit

import "github.com/distributed-rate-limiter/ratelimit/store"

// encode makes the runs. All keys are slices of one string, so that only one is allocated.
func (b *batch) encode(l *Limiter) {
	b.text, b.names, b.args = b.text[:0], b.names[:0], b.args[:0]
	for _, g := range b.groups {
		b.text = l.keys.appendKey(b.text, &g.calls[0].sum)
	}
	text, size := string(b.text), l.keys.size()
	for i := range b.groups {
		b.names = append(b.names, text[i*size:(i+1)*size])
	}
	b.runs, b.parts = b.runs[:0], b.parts[:0]
	for from := 0; from < len(b.groups); {
		to, args := from, len(b.args)
		b.args = l.program.AppendParams(b.args)
		for ; to < len(b.groups) && (to == from || b.together(from, to)); to++ {
			g := b.groups[to]
			if g.plain() {
				if to == from || !b.groups[to-1].plain() {
					b.args = l.program.AppendOnes(b.args, to-from)
				}
				continue
			}
			for i := 0; i < len(g.calls); {
				n, requests := g.calls[i].n, 1
				for i++; i < len(g.calls) && g.calls[i].n == n; i++ {
					requests++
				}
				b.args = l.program.AppendRepeats(b.args, n, requests, to-from)
			}
		}
		b.runs = append(b.runs, store.Run{Keys: b.names[from:to], Args: b.args[args:len(b.args):len(b.args)]})
		b.parts = append(b.parts, to)
		from = to
	}
}

// together reports whether groups i and j may be in one run.
func (b *batch) together(i, j int) bool {
	return !b.alone && b.groups[i].runOf(b.across) == b.groups[j].runOf(b.across)
}
