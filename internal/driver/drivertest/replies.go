package drivertest

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// badReply: of all possible replies, only a flat array of integers is accepted.
func badReply(t *testing.T, d Driver) {
	f := startFake(t)
	good := map[string][]int64{
		"*0\r\n":                      {},
		"*1\r\n:5\r\n":                {5},
		"*2\r\n:-1\r\n:255\r\n":       {-1, 255},
		"*1\r\n:1700000000123456\r\n": {1700000000123456},
		"*2\r\n:9223372036854775807\r\n:-9223372036854775808\r\n": {math.MaxInt64, math.MinInt64},
	}
	bad := map[string]string{
		"NilString":     "$-1\r\n",
		"NilArray":      "*-1\r\n",
		"Null":          "_\r\n",
		"Status":        "+OK\r\n",
		"String":        "$1\r\n5\r\n",
		"EmptyString":   "$0\r\n\r\n",
		"Integer":       ":5\r\n",
		"Float":         ",1.5\r\n",
		"Bool":          "#t\r\n",
		"BigNumber":     "(123\r\n",
		"Verbatim":      "=5\r\ntxt:5\r\n",
		"Map":           "%1\r\n+a\r\n:1\r\n",
		"Nested":        "*1\r\n*1\r\n:1\r\n",
		"NestedEmpty":   "*2\r\n:1\r\n*0\r\n",
		"NestedDeep":    "*1\r\n*2\r\n$3\r\nabc\r\n*1\r\n:1\r\n",
		"HasNilString":  "*2\r\n:1\r\n$-1\r\n",
		"HasNilArray":   "*2\r\n*-1\r\n:1\r\n",
		"HasNull":       "*2\r\n_\r\n:1\r\n",
		"HasStatus":     "*1\r\n+5\r\n",
		"HasString":     "*2\r\n$1\r\n5\r\n:1\r\n",
		"HasLongString": "*2\r\n$70000\r\n" + strings.Repeat("\r\n", 35_000) + "\r\n:1\r\n",
		"HasFloat":      "*1\r\n,1.5\r\n",
		"HasBool":       "*1\r\n#f\r\n",
		"HasBigNumber":  "*1\r\n(5\r\n",
		"HasVerbatim":   "*1\r\n=5\r\ntxt:5\r\n",
		"HasMap":        "*1\r\n%1\r\n:1\r\n:2\r\n",
		"HasError":      "*2\r\n-ERR inside\r\n:1\r\n",
		"HasErrorMoved": "*2\r\n-MOVED 1 127.0.0.1:1\r\n:1\r\n",
	}
	each(t, d, f.addr(), func(t *testing.T, s store.Store) {
		for reply, want := range good {
			f.set(reply)
			got := run(t, s, incr, []string{"k"})
			require.Equal(t, want, append([]int64{}, got...), "%q", reply)
		}
		for name, reply := range bad {
			f.set(reply)
			ints, err := s.Run(context.Background(), incr, []string{"k"}, nil)
			require.ErrorIs(t, err, store.ErrReply, "%s: %v", name, ints)
			require.Nil(t, ints)
			// The connection is still in step: the next reply belongs to the next run.
			f.set("*1\r\n:7\r\n")
			require.Equal(t, []int64{7}, run(t, s, incr, []string{"k"}), name)
		}
		for _, garbage := range []string{"*1\r\n:x\r\n", "*x\r\n"} {
			f.set(garbage)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_, err := s.Run(ctx, incr, []string{"k"}, nil)
			cancel()
			require.Error(t, err, garbage)
			f.set("*1\r\n:7\r\n")
			eventually(t, func() error {
				_, err := s.Run(context.Background(), incr, []string{"k"}, nil)
				return err
			})
		}
	})
}

// serverError: an error reply keeps its text and code, and the script is sent once.
func serverError(t *testing.T, d Driver) {
	f := startFake(t)
	each(t, d, f.addr(), func(t *testing.T, s store.Store) {
		for message, prefix := range map[string]string{
			"NOPERM this user has no permissions":                     "NOPERM",
			"ERR value is not an integer or out of range":             "ERR",
			"OOM command not allowed when used memory > 'maxmemory'.": "OOM",
			"LOADING Redis is loading the dataset in memory":          "LOADING",
			"READONLY You can't write against a read only replica.":   "READONLY",
			"BUSY Redis is busy running a script.":                    "BUSY",
			"CLUSTERDOWN Hash slot not served":                        "CLUSTERDOWN",
			"TRYAGAIN Multiple keys request during rehashing of slot": "TRYAGAIN",
			"MASTERDOWN Link with MASTER is down":                     "MASTERDOWN",
			"NOREPLICAS Not enough good replicas to write.":           "NOREPLICAS",
			"ERR max number of clients reached":                       "ERR",
			"lower case":                                              "",
		} {
			f.set("-" + message + "\r\n")
			before := f.scripts.Load()
			ints, err := s.Run(context.Background(), incr, []string{"k"}, nil)
			require.Nil(t, ints)
			server := (*store.ServerError)(nil)
			require.ErrorAs(t, err, &server)
			require.Equal(t, message, server.Message)
			require.Equal(t, prefix, server.Prefix())
			require.NotErrorIs(t, err, store.ErrReply)
			require.Equal(t, before+1, f.scripts.Load(), "%s: sent again", message)
		}
		f.set("-NOSCRIPT No matching script. Please use EVAL.\r\n")
		before := f.scripts.Load()
		_, err := s.Run(context.Background(), incr, []string{"k"}, nil)
		server := (*store.ServerError)(nil)
		require.ErrorAs(t, err, &server)
		require.Equal(t, before+2, f.scripts.Load(), "EVALSHA, then EVAL")
	})
	t.Run("OddRedirection", func(t *testing.T) {
		s := open1(t, d, "redis://"+f.addr(), withCluster)
		for _, message := range []string{"ASK", "MOVED", "ASK 1", "MOVED 1 ", "ASKED", "MOVED 1 x y z"} {
			f.set("-" + message + "\r\n")
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_, err := s.Run(ctx, incr, []string{"k"}, nil)
			cancel()
			require.Error(t, err, message)
		}
		f.set("*1\r\n:7\r\n")
		eventually(t, func() error {
			_, err := s.Run(context.Background(), incr, []string{"k"}, nil)
			return err
		})
	})
}
