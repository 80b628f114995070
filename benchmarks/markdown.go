package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// table is a Markdown table. Columns other than the first are aligned to the right, unless
// they are words.
type table struct {
	header []string
	rows   [][]string
	words  bool
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer) {
	line := func(cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.header)
	rule := []string{"---"}
	for range t.header[1:] {
		if t.words {
			rule = append(rule, "---")
		} else {
			rule = append(rule, "---:")
		}
	}
	line(rule)
	for _, row := range t.rows {
		line(row)
	}
	fmt.Fprintln(w)
}

// none is shown in place of a missing figure.
const none = "–"

// count formats a whole number with its digits in groups of three.
func count(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// round3 formats a number with about three figures, which is more than noise allows. From
// 100 up, it rounds to a whole number and shows that in full.
func round3(x float64) string {
	switch a := math.Abs(x); {
	case x == 0:
		return "0"
	case a >= 99.95:
		return count(int64(math.Round(x)))
	case a >= 9.995:
		return fmt.Sprintf("%.1f", x)
	case a < 0.1:
		return fmt.Sprintf("%.4f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// latency formats a duration with three figures and a unit that fits.
func latency(d time.Duration) string {
	switch {
	case d >= time.Second:
		return round3(d.Seconds()) + " s"
	case d >= time.Millisecond:
		return round3(float64(d)/float64(time.Millisecond)) + " ms"
	case d >= time.Microsecond:
		return round3(micros(d)) + " µs"
	}
	return fmt.Sprintf("%d ns", d)
}

// times formats a ratio.
func times(ratio float64, known bool) string {
	if !known {
		return none
	}
	return round3(ratio) + "×"
}
