// Benchmarks measures ratelimit beside its rivals, all on one Redis in one run, and prints
// a report in Markdown:
//
//	go run ./benchmarks > report.md
//
// It starts a redis-server of its own, or uses an empty one of yours with -redis; -h lists
// the flags. Progress goes to stderr.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9/logging"
)

func main() {
	logging.Disable() // failures are counted and reported
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 0, 1 if measuring failed, 2 if args are wrong.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, "benchmarks:", err)
		return code
	}
	if isChild(args) {
		if err := runChild(ctx, args[1], stdin, stdout); err != nil {
			return fail(1, err)
		}
		return 0
	}
	s, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return fail(2, err)
	}
	report, err := measureAll(ctx, s, stderr)
	if err == nil {
		err = report.write(stdout)
	}
	if ctx.Err() != nil {
		return fail(1, errors.New("interrupted: nothing is reported"))
	}
	if err != nil {
		return fail(1, err)
	}
	return 0
}
