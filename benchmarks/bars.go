package main

// bar is one row of a bar chart.
type bar struct {
	label  string
	value  float64
	text   string // the value in words
	colour string
	bold   bool
	// aside excludes the bar from the scale, so it may be too long for the picture.
	aside bool
}

// drawBars returns a chart of horizontal bars from 0.
func drawBars(title string, bars []bar) *svg {
	const (
		width, top, row, thick = 980.0, 44.0, 26.0, 16.0
		left, plot             = 330.0, 480.0
	)
	s := newSVG(width, top+row*float64(len(bars))+10, title)
	s.text(16, 26, "start", bold, title)
	greatest := 0.0
	for _, b := range bars {
		if !b.aside {
			greatest = max(greatest, b.value)
		}
	}
	if greatest == 0 {
		greatest = 1
	}
	for i, b := range bars {
		y := top + row*float64(i)
		style := plain
		if b.bold {
			style = bold
		}
		s.text(left-10, y+thick-3, "end", style, b.label)
		length := min(b.value/greatest, 1) * plot
		s.rect(left, y, max(length, 1), thick, b.colour)
		if b.value > greatest { // draw the bar as torn off
			for _, gap := range []float64{0.86, 0.88} {
				s.line(left+plot*gap, y+thick+2, left+plot*(gap+0.01), y-2, "#ffffff", 3)
			}
		}
		s.text(left+length+8, y+thick-3, "start", style, b.text)
	}
	s.line(left, top-6, left, top+row*float64(len(bars))-4, inkColour, 1)
	return s
}
