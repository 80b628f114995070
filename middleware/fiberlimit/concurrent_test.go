package fiberlimit_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/middleware/fiberlimit"
)

// TestIdentitiesNeverMix checks that identities survive Fiber's reuse of memory: when a
// handler has returned, the strings that Fiber gave it change into those of other
// requests. Each client must have its own limit, and an identity that is kept, here by an
// observer, must still name the same client.
func TestIdentitiesNeverMix(t *testing.T) {
	const clients, each = 16, 40
	identities := map[string]fiberlimit.Identity{
		"Own":   func(c fiber.Ctx) string { return c.Get("Who") },
		"Ready": must(fiberlimit.Header("Who")),
		"Local": must(fiberlimit.Local("who", "who")),
		"First": fiberlimit.First(func(c fiber.Ctx) string { return c.Get("Who") }, fiberlimit.Peer),
	}
	for name, identity := range identities {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var kept []ratelimit.Event
			observed := observer(func(_ context.Context, e ratelimit.Event) {
				mu.Lock()
				defer mu.Unlock()
				kept = append(kept, e)
			})
			redis := startRedis(t)
			addr := serve(t, chain(func(c fiber.Ctx) error {
				c.Locals("who", c.Get("Who"))
				return c.Next()
			}, limit(t, perMinute(t, redis, "a", each-1, ratelimit.WithObserver(observed)), identity), ok))

			var all sync.WaitGroup
			for i := range clients {
				all.Go(func() {
					client := &http.Client{Transport: &http.Transport{}}
					defer client.CloseIdleConnections()
					for n := range each {
						r, _ := http.NewRequest(http.MethodGet, "http://"+addr, nil)
						r.Header.Set("Who", who(i))
						w, err := client.Do(r)
						if err != nil {
							t.Error(err)
							return
						}
						w.Body.Close()
						if allowed := n < each-1; allowed != (w.StatusCode == http.StatusOK) {
							t.Errorf("%s, request %d: %d", who(i), n, w.StatusCode)
						}
					}
				})
			}
			all.Wait()
			seen := map[string]int{}
			for _, e := range kept {
				text := e.Identity.Reveal()
				seen[text[strings.LastIndexByte(text, ':')+1:]]++
			}
			require.Len(t, seen, clients)
			for i := range clients {
				require.Equal(t, each, seen[who(i)])
			}
		})
	}
}

// who returns the name of client i. Names have various lengths.
func who(i int) string { return fmt.Sprintf("%d-%s", i, strings.Repeat(string(rune('a'+i)), 3+i%4)) }
