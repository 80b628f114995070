package conformance

import (
	"fmt"
	"math"

	"pgregory.net/rapid"
)

// Virtual clocks run from 2001 to 2223: an instant has 16 digits, and stays
// below 2^53 with the longest wait added.
const (
	dawn = int64(1e15)
	dusk = int64(8e15)
)

func drawClock(t *rapid.T) int64 {
	return rapid.OneOf(
		rapid.Int64Range(1_483_228_800_000_000, 4_102_444_800_000_000), // 2017 to 2100
		rapid.SampledFrom([]int64{
			1 << 30 * 1e6, 1 << 31 * 1e6, 1<<31*1e6 - 1, 1 << 32 * 1e6, 3 << 29 * 1e6, 7 << 28 * 1e6, 2_019_686_400_000_000, 7_258_118_400_000_000,
		}),
	).Draw(t, "clock")
}

// drawN draws how many units are asked for.
func drawN(t *rapid.T, l limit) int64 {
	return rapid.OneOf(
		rapid.Just(int64(1)),
		rapid.Int64Range(1, min(3, l.Limit)),
		rapid.SampledFrom([]int64{0, 1, l.Limit, l.Limit + 1, max(1, l.Limit/2), max(1, l.Limit-1), math.MaxInt32, 1<<53 - 1, 1 << 53}),
		rapid.Int64Range(1, l.Limit),
		rapid.Int64Range(l.Limit, 1<<53),
	).Draw(t, "n")
}

// drawWait draws a time to wait that is of interest to a limit whose last answer had the
// given RetryAfter and ResetAfter.
func drawWait(t *rapid.T, l limit, retry, reset int64) int64 {
	refill := l.refill()
	return max(0, rapid.OneOf(
		rapid.SampledFrom([]int64{0, 1, max(0, retry), retry - 1, reset, reset - 1, reset + 1, refill / max(1, l.Limit)}),
		rapid.Int64Range(0, min(10*(1+refill/max(1, l.Limit)), dusk)),
		rapid.Int64Range(0, min(3*refill, dusk)),
	).Draw(t, "wait"))
}

// drawStepBack draws how far a clock is set back.
func drawStepBack(t *rapid.T, l limit) int64 {
	refill := l.refill()
	return rapid.OneOf(
		rapid.SampledFrom([]int64{1, 1000, 1_000_000, refill, refill + 1, 2 * refill}),
		rapid.Int64Range(1, min(1+2*refill, dusk)),
		rapid.Int64Range(1, 86_400_000_000),
	).Draw(t, "step back")
}

// drawText draws a text that the algorithm need not have written, given a state that it
// may have written.
func drawText(t *rapid.T, state string, now int64) string {
	digits := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), 0, 60, -1)
	switch rapid.SampledFrom([]string{"digits", "bytes", "number", "known", "instant", "instants", "flip", "cut", "twice", "zeros"}).Draw(t, "garbage") {
	case "digits":
		return digits.Draw(t, "digits") + rapid.SampledFrom([]string{"", ".", ".7"}).Draw(t, "end")
	case "bytes":
		return string(rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "bytes"))
	case "number":
		return fmt.Sprint(rapid.Int64().Draw(t, "number"))
	case "known":
		return rapid.SampledFrom([]string{
			"0", "1", "-1", "nan", "inf", "-inf", "0x10", "1e3", " 12 ", "1.5", "9007199254740993", "00000000000000000", ":", "::", "1:1:", "1:1:1", "\x00\n:", "{}", "[]", "nil",
		}).Draw(t, "known")
	case "instant": // an instant that a wrong clock gave, with something around it
		at := now + rapid.Int64Range(-1e14, 1e14).Draw(t, "away")
		form := rapid.SampledFrom([]string{
			"%d", "1%d", "99%d", "%d.1", "%d.1.0.0", "%d.99.1.2", "1%d.7.0.0", "%d.98765432109876543.0.0", "%d.1.98765432109876543.0",
			"%d:1:1", "%d:1:1:0", "1:%d", "%d 1", "0%d",
		}).Draw(t, "form")
		return fmt.Sprintf(form, at)
	case "instants":
		at := now + rapid.Int64Range(-1e13, 1e13).Draw(t, "away")
		return fmt.Sprintf("%d%s", at/1_000_000, digits.Draw(t, "digits"))
	case "flip":
		if state == "" {
			return "\x00"
		}
		b := []byte(state)
		b[rapid.IntRange(0, len(b)-1).Draw(t, "place")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		return string(b)
	case "cut":
		return state[:rapid.IntRange(0, len(state)).Draw(t, "length")]
	case "twice":
		return state + state
	}
	return string(make([]byte, rapid.IntRange(1, 30).Draw(t, "zeros")))
}
