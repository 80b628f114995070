package main

import (
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// settings is what the flags say.
type settings struct {
	contestants []*contestant // the chosen ones
	workloads   []*workload   // the chosen ones
	time        time.Duration // of one measurement
	rounds      int
	keys        int
	pool        int    // connections of the go-redis client, 0 for its default
	redis       string // address of a running Redis, or ""
	growth      bool
	charts      string // folder, or ""
}

const usage = `Measures ratelimit beside its rivals on one Redis, and prints a report in
Markdown to stdout. Progress goes to stderr.

  go run ./benchmarks [flags] > report.md

The default run takes about nine minutes, -growth four more. Short ones, of
-time 200ms -rounds 1, are good for trying out, not for comparing.

Flags:
`

// parse returns the settings. If args ask for help, it writes the help to out and returns
// flag.ErrHelp. Its other errors name the flag and the value.
func parse(args []string, out io.Writer) (*settings, error) {
	s := &settings{}
	var only, load string
	flags := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller prints the error
	flags.StringVar(&only, "only", "", "measure the contestants whose names match this `regexp`; without redis_rate there are no ratios to it")
	flags.StringVar(&load, "workload", "", "measure the workloads whose names match this `regexp`")
	flags.DurationVar(&s.time, "time", 700*time.Millisecond, "how long one contestant is measured, per workload and round")
	flags.IntVar(&s.rounds, "rounds", 5, "how often each contestant is measured, in turn with the others; figures are medians")
	flags.IntVar(&s.keys, "keys", 100_000, "how many distinct identities there are")
	flags.IntVar(&s.pool, "pool", 0, "PoolSize of the go-redis client that all on go-redis share; 0 is the client's default, ten for each core")
	flags.StringVar(&s.redis, "redis", "", "`address` (host:port) of a running Redis to use instead of starting one. It must be empty, and is flushed again and again")
	flags.BoolVar(&s.growth, "growth", false, "also measure how the cost grows with identities, processes and limiters")
	flags.StringVar(&s.charts, "charts", "", "draw charts (SVG) into this `folder`, which is made if need be; the report links to them as if it stood beside the folder")
	err := flags.Parse(args)
	if err == flag.ErrHelp {
		describe(out, flags)
	}
	if err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: there are only flags (see -h)", flags.Arg(0))
	}
	const tooLong = time.Minute
	switch {
	case s.time < time.Millisecond || s.time > tooLong:
		return nil, fmt.Errorf("-time is %v: must be from 1ms to %v", s.time, tooLong)
	case s.rounds < 1 || s.rounds > 1000:
		return nil, fmt.Errorf("-rounds is %d: must be from 1 to 1000", s.rounds)
	case s.keys < 1 || s.keys > 10_000_000:
		return nil, fmt.Errorf("-keys is %d: must be from 1 to 10000000", s.keys)
	case s.pool < 0 || s.pool > 10_000:
		return nil, fmt.Errorf("-pool is %d: must be from 0 to 10000", s.pool)
	}
	if s.contestants, err = choose("only", "contestant", only, contestants(), (*contestant).String); err != nil {
		return nil, err
	}
	if s.workloads, err = choose("workload", "workload", load, workloads(), (*workload).String); err != nil {
		return nil, err
	}
	return s, nil
}

// choose returns the elements of all whose names match pattern.
func choose[T any](flag, what, pattern string, all []*T, name func(*T) string) (chosen []*T, err error) {
	matcher, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("-%s is %q: not a regular expression: %w", flag, pattern, err)
	}
	var names []string
	for _, one := range all {
		names = append(names, name(one))
		if matcher.MatchString(name(one)) {
			chosen = append(chosen, one)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-%s is %q: matches no %s; there are: %s", flag, pattern, what, strings.Join(names, "; "))
	}
	return chosen, nil
}

// describe writes the help.
func describe(out io.Writer, flags *flag.FlagSet) {
	fmt.Fprint(out, usage)
	flags.SetOutput(out)
	flags.PrintDefaults()
	fmt.Fprintln(out, "\nContestants:")
	for _, c := range contestants() {
		fmt.Fprintf(out, "  %s\n", c)
	}
	fmt.Fprintln(out, "\nWorkloads:")
	for _, w := range workloads() {
		fmt.Fprintf(out, "  %s\n", w)
	}
}
