package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
	"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
)

// settings are what the flags say.
type settings struct {
	url    string // "" for an embedded Redis
	driver string
	limit  algorithm.Algorithm
}

// parse reads args. If they ask for help, it prints the help to help and returns
// [flag.ErrHelp].
func parse(args []string, help io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&s.url, "redis", "", "`URL` of a Redis, such as redis://localhost:6379; embedded if empty")
	flags.StringVar(&s.driver, "driver", "goredis", "goredis or rueidis")
	name := flags.String("algorithm", "tokenbucket", "tokenbucket, slidingwindow or log")
	rate := flags.Int64("rate", 10, "units in each period")
	period := flags.Duration("period", time.Second, "length of a period")
	size := flags.Int64("burst", 0, "units at once, for tokenbucket; rate if 0")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		return s, err
	}

	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case s.driver != "goredis" && s.driver != "rueidis":
		return s, fmt.Errorf("bad -driver %q: must be goredis or rueidis", s.driver)
	case *size != 0 && *name != "tokenbucket":
		return s, fmt.Errorf("bad -burst %d: only -algorithm tokenbucket has one", *size)
	}
	switch *name {
	case "tokenbucket":
		s.limit = tokenbucket.Limit{Rate: *rate, Period: *period, Burst: *size}
	case "slidingwindow":
		s.limit = slidingwindow.Limit{Rate: *rate, Period: *period}
	case "log":
		s.limit = slidingwindow.Log{Rate: *rate, Period: *period}
	default:
		return s, fmt.Errorf("bad -algorithm %q: must be tokenbucket, slidingwindow or log", *name)
	}
	return s, nil
}

// opened is a store that must be closed.
type opened interface {
	store.Store
	io.Closer
}

// open opens a store on the Redis at url.
func open(driver, url string) (opened, error) {
	if driver == "rueidis" {
		return rueidis.Open(url)
	}
	return goredis.Open(url)
}
