package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// svg is a picture that is being drawn. It has its own background, so that it is legible
// on a page of any colour.
type svg struct {
	b             strings.Builder
	width, height float64
}

// The colours of charts.
const (
	inkColour   = "#24292f"
	faintColour = "#d0d7de"
	oursColour  = "#0969da"
	aloneColour = "#80b6f0"
	rivalColour = "#8c959f"
	floorColour = "#c9a86a"
)

// newSVG begins a picture. The title is for readers who cannot see the picture.
func newSVG(width, height float64, title string) *svg {
	s := &svg{width: width, height: height}
	fmt.Fprintf(&s.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" font-family="system-ui, sans-serif" font-size="13" role="img">`+"\n",
		width, height, width, height)
	fmt.Fprintf(&s.b, "<title>%s</title>\n", escape(title))
	s.rect(0, 0, width, height, "#ffffff")
	return s
}

func (s *svg) rect(x, y, width, height float64, colour string) {
	fmt.Fprintf(&s.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, width, height, colour)
}

func (s *svg) line(x1, y1, x2, y2 float64, colour string, width float64) {
	fmt.Fprintf(&s.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"/>`+"\n", x1, y1, x2, y2, colour, width)
}

func (s *svg) circle(x, y, r float64, colour string) {
	fmt.Fprintf(&s.b, `<circle cx="%.1f" cy="%.1f" r="%g" fill="%s"/>`+"\n", x, y, r, colour)
}

// text writes a line of text. anchor is start, middle or end.
func (s *svg) text(x, y float64, anchor, style, text string) {
	fmt.Fprintf(&s.b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s"%s>%s</text>`+"\n", x, y, anchor, inkColour, style, escape(text))
}

const (
	plain = ""
	bold  = ` font-weight="bold"`
)

func (s *svg) bytes() []byte { return []byte(s.b.String() + "</svg>\n") }

func escape(text string) string {
	b := &strings.Builder{}
	_ = xml.EscapeText(b, []byte(text)) // a Builder does not fail
	return b.String()
}
