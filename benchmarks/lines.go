package main

// dot is one point of a line chart.
type dot struct {
	label string // on the axis
	value float64
	text  string // the value in words
}

// drawLine returns a chart of one line over steps of equal width. The scale begins at 0.
func drawLine(title, axis string, dots []dot) *svg {
	const (
		width, height       = 640.0, 300.0
		left, right         = 70.0, 70.0
		top, bottom         = 70.0, 60.0
		plotWidth           = width - left - right
		plotHeight          = height - top - bottom
		floorY              = height - bottom
		labelGap, axisGap   = 20.0, 42.0
		valueGap, dotRadius = 12.0, 4.0
	)
	s := newSVG(width, height, title)
	s.text(16, 26, "start", bold, title)
	s.line(left-30, floorY, width-right+30, floorY, inkColour, 1)
	s.text(width/2, floorY+axisGap, "middle", plain, axis)
	greatest := 0.0
	for _, d := range dots {
		greatest = max(greatest, d.value)
	}
	if greatest == 0 {
		greatest = 1
	}
	var lastX, lastY float64
	for i, d := range dots {
		x := left + plotWidth*float64(i)/float64(max(len(dots)-1, 1))
		y := floorY - plotHeight*d.value/greatest
		s.line(x, floorY, x, top, faintColour, 1)
		if i > 0 {
			s.line(lastX, lastY, x, y, oursColour, 2)
		}
		lastX, lastY = x, y
		s.text(x, floorY+labelGap, "middle", plain, d.label)
	}
	for i, d := range dots { // drawn last, above the lines
		x := left + plotWidth*float64(i)/float64(max(len(dots)-1, 1))
		y := floorY - plotHeight*d.value/greatest
		s.circle(x, y, dotRadius, oursColour)
		s.text(x, y-valueGap, "middle", plain, d.text)
	}
	return s
}
