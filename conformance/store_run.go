package conformance

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

var incr = store.NewScript("incr", "local n = redis.call('INCR', KEYS[1]) redis.call('PEXPIRE', KEYS[1], 600000) return {n}")

// count reads what incr counted.
var count = store.NewScript("count", "return {tonumber(redis.call('GET', KEYS[1]) or 0)}")

func once(t testing.TB, h *subject) {
	s, key := h.Open(t), newKeyspace().key("n")
	script := unseen(incr.Source())
	for want := int64(1); want <= 5; want++ {
		if got := run(t, s, script, []string{key}); !slices.Equal(got, []int64{want}) {
			differ(t, got, []int64{want}, "reply of INCR to run %d of it", want)
		}
	}
}

// exactIntegers are integers that careless encodings get wrong.
var exactIntegers = []int64{
	0, 1, -1, 9, 10, 99, 100, 255, 256, -256, 999_999, 1_000_000, 123_456_789, math.MaxInt32, math.MinInt32, math.MaxUint32,
	1_700_000_000_123_456, 99_999_999_999_999, 100_000_000_000_001, 1<<53 - 1, 1 << 53, -1<<53 + 1, -1 << 53,
}

func roundTrip(t testing.TB, h *subject) {
	s, keys := h.Open(t), []string{newKeyspace().key("k")}
	numbers := store.NewScript("numbers", "local r = {} for i, v in ipairs(ARGV) do r[i] = tonumber(v) end return r")
	many := make([]int64, 10_000)
	for i := range many {
		many[i] = int64(1_700_000_000_000_000 + i*i)
	}
	for _, args := range [][]int64{exactIntegers, {}, {5}, {3, 2, 1}, many} {
		// The Store gets a copy: whether it changes its args is for another check to find.
		if got := run(t, s, numbers, keys, slices.Clone(args)...); !slices.Equal(got, args) {
			differ(t, brief(got), brief(args), "reply of a script that returns its %d args", len(args))
		}
	}
	// The script gets texts, also of integers that are too great for a double.
	text := store.NewScript("text", "return {string.byte(ARGV[1], 1, -1)}")
	for _, n := range append([]int64{math.MaxInt64, math.MinInt64, 1<<53 + 1}, exactIntegers...) {
		if got, want := toText(run(t, s, text, keys, n)), strconv.FormatInt(n, 10); got != want {
			differ(t, strconv.Quote(got), strconv.Quote(want), "ARGV[1]")
		}
	}
}

// brief shortens a long list.
func brief(ints []int64) string {
	if len(ints) > 30 {
		return fmt.Sprintf("%d… (%d integers)", ints[:30], len(ints))
	}
	return fmt.Sprint(ints)
}

// quote quotes a text, or the beginning of a long one.
func quote(text string) string {
	if len(text) > 200 {
		return fmt.Sprintf("%q… (%d bytes)", text[:200], len(text))
	}
	return strconv.Quote(text)
}

// toText returns the bytes that a script replied with as text.
func toText(reply []int64) string {
	b := make([]byte, len(reply))
	for i, v := range reply {
		b[i] = byte(v)
	}
	return string(b)
}

// nasties are keys that careless clients mangle, split, or take for something else.
var nasties = []string{
	"plain", "{", "}", "{}", "{}x", "}x", "}x{", "{a}", "a{b}c{d}", " ", " led", "trailed ", "\t", "\n", "\r\n", "\x00", "a\x00b", "\x00\x00", "\xff\xfe",
	"\xc3\x28", "\ufffd", "$3\r\nabc\r\n", "*1\r\n", "日本語", "é", "e\u0301", "UPPER", "upper", "%s%d%n", "%00", "a b", "'", `"`, `\`, "\\x00", "*", "?", "[a]",
	strings.Repeat("long", 2560), strings.Repeat("k", 64) + "1", strings.Repeat("k", 64) + "2", strings.Repeat("k", 1024) + "1",
	strings.Repeat("k", 70_000),
}

func nastyKeys(t testing.TB, h *subject) {
	s, space := h.Open(t), newKeyspace()
	text := store.NewScript("key", "return {string.byte(KEYS[1], 1, 4000)}")
	mark := store.NewScript("mark", "redis.call('SET', KEYS[1], ARGV[1], 'PX', 600000) return {#KEYS[1]}")
	if got := run(t, s, text, []string{""}); len(got) > 0 { // nothing is stored under it: others may use it
		differ(t, strconv.Quote(toText(got)), `""`, "KEYS[1]")
	}
	for i, nasty := range nasties {
		// The nasty part is at the beginning of one key, and at the end of another.
		for _, key := range []string{nasty + space.key(""), space.key(nasty)} {
			want := key[:min(len(key), 4000)]
			if got := toText(run(t, s, text, []string{key})); got != want {
				differ(t, quote(got), quote(want), "KEYS[1], of %d bytes", len(key))
			}
			if got := run(t, s, mark, []string{key}, int64(i)); got[0] != int64(len(key)) {
				differ(t, got[0], len(key), "length of KEYS[1], which begins with %.20q", key)
			}
		}
	}
	for i, nasty := range nasties {
		for _, key := range []string{nasty + space.key(""), space.key(nasty)} {
			if got := run(t, s, count, []string{key}); got[0] != int64(i) {
				differ(t, got[0], i, "what was stored under key %.40q", key)
			}
		}
	}
}

func manyKeys(t testing.TB, h *subject) {
	s, space := h.Open(t), newKeyspace()
	name := store.NewScript("names", `
local r = {#KEYS}
for i, key in ipairs(KEYS) do
	if #KEYS < 1000 then redis.call('SET', key, i, 'PX', 600000) end -- more take an embedded Redis long
	r[i + 1] = tonumber(string.match(key, '(%d+)$'))
end
return r`)
	for _, n := range []int{1, 2, 3, 10, 100, 101, 256, 512, 2000} {
		keys := make([]string, n)
		want := []int64{int64(n)}
		for i := range keys {
			number := (i*7919 + 13) % 10007 // in no order
			keys[i] = space.key(strconv.Itoa(number))
			want = append(want, int64(number))
		}
		if got := run(t, s, name, slices.Clone(keys)); !slices.Equal(got, want) {
			differ(t, brief(got), brief(want), "number of keys and their names, for %d keys", n)
		}
		if n >= 1000 {
			continue
		}
		if got := run(t, s, count, keys[n-1:]); got[0] != int64(n) {
			differ(t, got[0], n, "what was stored under the last of %d keys", n)
		}
	}
	// A key that is given twice is two of KEYS.
	twice := []string{space.key("1"), space.key("1"), space.key("2")}
	if got, want := run(t, s, name, twice), []int64{3, 1, 1, 2}; !slices.Equal(got, want) {
		differ(t, got, want, "number of keys and their names, one of them twice")
	}
}

func sharedState(t testing.TB, h *subject) {
	a, b, key := h.Open(t), h.Open(t), newKeyspace().key("n")
	for want := int64(1); want <= 10; want += 2 {
		if got := run(t, a, incr, []string{key}); got[0] != want {
			differ(t, got[0], want, "count by the first Store")
		}
		if got := run(t, b, incr, []string{key}); got[0] != want+1 {
			differ(t, got[0], want+1, "count by the second Store, after the first")
		}
	}
}

func uncached(t testing.TB, h *subject) {
	s, keys := h.Open(t), []string{newKeyspace().key("n")}
	for want := int64(1); want <= 3; want++ {
		if got := run(t, s, unseen(incr.Source()), keys); got[0] != want {
			differ(t, got[0], want, "count after a script that the server had not seen")
		}
	}
	// A script is its source: names are for people.
	for want := range int64(3) {
		if got := run(t, s, store.NewScript("namesake", fmt.Sprintf("return {%d}", want)), keys); got[0] != want {
			differ(t, got[0], want, "reply of one of three scripts of the same name")
		}
	}
	// Long scripts, and many callers at once with one that is new.
	long := unseen("--" + strings.Repeat(" long", 20_000) + "\n" + incr.Source())
	wrong := complain(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if _, err := s.Run(ctx, long, keys, nil); err != nil {
				wrong.Errorf("Run of a new script by 16 callers at once: %v", err)
			}
		})
	}
	wg.Wait()
	if got := run(t, s, count, keys); got[0] != 19 {
		differ(t, got[0], 19, "count after 16 callers more")
	}
}

func flushed(t testing.TB, h *subject) {
	if h.FlushScripts == nil {
		t.Skip("Harness.FlushScripts is nil: set it to test that scripts may be forgotten")
	}
	s, space := h.Open(t), newKeyspace()
	script, key := unseen(incr.Source()), []string{space.key("n")}
	for want := int64(1); want <= 5; want++ {
		if got := run(t, s, script, key); got[0] != want {
			differ(t, got[0], want, "count, with the scripts flushed between runs")
		}
		h.FlushScripts(t)
	}
	// Under load.
	const goroutines, runs = 8, 100
	wrong := complain(t)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			for range runs {
				if _, err := s.Run(ctx, script, []string{space.key("load")}, nil); err != nil {
					wrong.Errorf("Run while scripts are flushed: %v", err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for flushing := true; flushing; {
		select {
		case <-done:
			flushing = false
		default:
			h.FlushScripts(t)
		}
	}
	if got := run(t, s, count, []string{space.key("load")}); got[0] != goroutines*runs && !t.Failed() {
		differ(t, got[0], goroutines*runs, "count of runs while scripts were flushed")
	}
}
