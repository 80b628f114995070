package ratelimit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
)

// member is what a process of the fleet is told, in its environment.
type member struct {
	Driver, URL, Kind, Identity string
	Cluster                     bool
	Budget, Calls               int
}

const memberEnv = "RATELIMIT_TEST_MEMBER"

func TestMain(m *testing.M) {
	if text := os.Getenv(memberEnv); text != "" {
		if err := beMember(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	logging.Disable() // go-redis logs each dial that fails
	os.Exit(m.Run())
}

// beMember calls from 64 goroutines and prints how many calls were allowed.
func beMember(text string) error {
	var m member
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return err
	}
	s, err := dial(m.Driver, m.URL, m.Cluster)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	l, err := ratelimit.New(s, kinds[m.Kind](int64(m.Budget), month), ratelimit.WithTimeout(20*time.Second))
	if err != nil {
		return err
	}
	var allowed, failed atomic.Int64
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			for range m.Calls {
				switch r, err := l.Allow(context.Background(), m.Identity); {
				case err != nil || r.Degraded:
					failed.Add(1)
				case r.Allowed:
					allowed.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d calls were not decided by Redis", n)
	}
	fmt.Println(allowed.Load())
	return nil
}

// TestFleet checks that three processes of 64 goroutines each, which spend one budget, have
// exactly that many calls allowed.
func TestFleet(t *testing.T) {
	const budget, processes, calls = 1000, 3, 8 // 1536 calls
	onRedis(t, func(t *testing.T, s site) {
		for kind := range kinds {
			text, err := json.Marshal(member{Driver: s.driver, URL: s.url, Cluster: len(s.nodes) > 1,
				Kind: kind, Identity: "all", Budget: budget, Calls: calls})
			require.NoError(t, err)
			var outputs [processes]bytes.Buffer
			var fleet []*exec.Cmd
			for i := range processes {
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), memberEnv+"="+string(text))
				cmd.Stdout, cmd.Stderr = &outputs[i], os.Stderr
				require.NoError(t, cmd.Start())
				fleet = append(fleet, cmd)
			}
			var total int
			for i, cmd := range fleet {
				require.NoError(t, cmd.Wait())
				var allowed int
				_, err := fmt.Fscan(&outputs[i], &allowed)
				require.NoError(t, err)
				total += allowed
			}
			require.Equal(t, budget, total, kind)
		}
	})
}
