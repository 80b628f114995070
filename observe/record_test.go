package observe_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/observe"
)

// record returns hooks that note how they are called.
func record(calls *[]string) observe.Hooks {
	note := func(hook string) func(context.Context, ratelimit.Event) {
		return func(_ context.Context, e ratelimit.Event) {
			text := fmt.Sprint(hook, " ", e.N)
			switch {
			case hook == "error":
				text += " " + string(e.Class)
			case e.Result.Degraded:
				text += " degraded"
			}
			*calls = append(*calls, text)
		}
	}
	return observe.Hooks{OnAllow: note("allow"), OnBlock: note("block"), OnError: note("error")}
}

// textLogger returns a logger that writes lines without the time.
func textLogger(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})), &out
}

// defaultLog replaces the default logger until the test ends, and returns what it writes,
// at any level.
func defaultLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	logger, out := textLogger(slog.LevelDebug)
	old := slog.Default()
	slog.SetDefault(logger)
	t.Cleanup(func() { slog.SetDefault(old) })
	return out
}
