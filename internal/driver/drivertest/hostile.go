package drivertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
)

// hostile: a server that breaks the protocol loses its connections, and nothing worse
// happens. Without protection, the client would panic on a goroutine of its own, run out of
// memory or of stack, or take one reply for another. The client is Open's: a client that the
// caller has set up is at the server's mercy.
func hostile(t *testing.T, d Driver) {
	replies := map[string]string{
		"NegativeString": "$-5\r\n",
		"HugeString":     "$99999999999999\r\n",
		"NegativeArray":  "*-7\r\n",
		"HugeArray":      "*99999999999999\r\n",
		"LargeArray":     "*300000000\r\n",
		"NegativeMap":    "%-1\r\n",
		"Deep":           strings.Repeat("*1\r\n", 1_000_000),
		"Unasked":        "*1\r\n:1\r\n*1\r\n:1\r\n:5\r\n+OK\r\n",
		"Subscribed":     ">3\r\n+subscribe\r\n+x\r\n:1\r\n",
		"Message":        ">3\r\n+message\r\n+x\r\n+y\r\n",
		"Attribute":      "|1\r\n+a\r\n+b\r\n*1\r\n:1\r\n",
		"Streamed":       "$?\r\n;4\r\nabcd\r\n;0\r\n",
		"NoProtocol":     "HTTP/1.1 400 Bad Request\r\n\r\n",
		"NoEnd":          strings.Repeat("x", 100_000),
	}
	for name, c := range map[string]struct {
		at   string // the command that gets these answers; "" is a run
		open func(*driver.Options)
	}{
		"SetUp":    {"HELLO", func(*driver.Options) {}},
		"Topology": {"CLUSTER", withCluster},
		"Run":      {"", func(*driver.Options) {}},
		"Master":   {"", withSentinel}, // behind Sentinel, where clients may subscribe
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t)
			s := open1(t, d, "redis://"+f.addr(), c.open)
			for _, reply := range replies {
				f.set(reply)
				if c.at != "" {
					f.set("*1\r\n:7\r\n")
					f.say(reply, c.at)
				}
				var all sync.WaitGroup
				for range 20 { // so that runs are pipelined
					all.Go(func() {
						for range 2 {
							ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
							_, _ = s.Run(ctx, incr, []string{"k"}, nil)
							cancel()
						}
					})
				}
				all.Wait()
				f.set("*1\r\n:7\r\n")
				f.say("")
				eventually(t, func() error {
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					defer cancel()
					_, err := s.Run(ctx, incr, []string{"k"}, nil)
					return err
				})
			}
			if c.at != "" {
				return
			}
			f.set("*1\r\n:7\r\n*1\r\n:8\r\n")
			for range 20 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				ints, err := s.Run(ctx, incr, []string{"k"}, nil)
				cancel()
				require.Error(t, err)
				require.Nil(t, ints, "a reply that nothing asked for is nobody's")
			}
		})
	}
}

// ShortReplies: a reply that keeps to the protocol, but has fewer elements than the client
// reads of it, does not end the process when it is the first reply of a sentinel or a
// master, and leaves no connection open. The test is for a driver whose client asks on the
// driver's own goroutine: go-redis panics on one of its own.
func ShortReplies(t *testing.T, d Driver) {
	for command, replies := range map[string][]string{
		"SENTINEL": {"*0\r\n", "*-1\r\n", "*1\r\n+127.0.0.1\r\n", "*2\r\n*-1\r\n:1\r\n"},
		"ROLE":     {"*0\r\n", "*-1\r\n", "*1\r\n:1\r\n"},
	} {
		for _, reply := range replies {
			f := startFake(t)
			f.set("*1\r\n:7\r\n")
			f.say(reply, command)
			s := open1(t, d, "redis://"+f.addr(), withSentinel)
			for range 2 {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				_, err := s.Run(ctx, incr, []string{"k"}, nil)
				require.Error(t, err)
				require.NoError(t, ctx.Err())
				cancel()
			}
			eventually(t, func() error {
				if open := f.conns.Load(); open > 0 {
					return fmt.Errorf("%d connections are open", open)
				}
				return nil
			})
		}
	}
}
