package algorithm_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/slidingwindow"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
	"github.com/distributed-rate-limiter/ratelimit/store"
	"github.com/distributed-rate-limiter/ratelimit/store/goredis"
)

// handWritten decides one request under a token bucket, can do nothing else, and trusts its
// input. Its cost is the floor for that of the harness.
var handWritten = store.NewScript("hand-written", `
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local burst, q, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[5])
local text = redis.call('GET', KEYS[1])
local u, t = 0, now
if text then u, t = tonumber(string.sub(text, 1, -17)), tonumber(string.sub(text, -16)) end
local k = math.floor((now - t) / q)
if k >= u then u, t = 0, now else u, t = u - k, t + k * q end
if u + n > burst then return {now, (u + n - burst) * q - (now - t), burst - u, u * q - (now - t)} end
u = u + n
local reset = u * q - (now - t)
redis.call('SET', KEYS[1], string.format('%.0f%016.0f', u, t), 'PX', math.ceil(reset / 1000))
return {now, 0, burst - u, reset}
`)

// BenchmarkScript measures what a decision costs Redis by Redis's own account, INFO
// commandstats: the µs that a run of the script takes, divided by the decisions in it.
func BenchmarkScript(b *testing.B) {
	server := redistest.Start(b)
	s, err := goredis.Open(server.URL())
	require.NoError(b, err)
	b.Cleanup(func() { _ = s.Close() })
	plan := compile(b, tokenbucket.Limit{Rate: 100, Period: time.Second})
	window := compile(b, slidingwindow.Limit{Rate: 100, Period: time.Second})

	run := func(name string, change func(string) string, keys, decisions int, limits ...*algorithm.Plan) {
		program, err := algorithm.Compose(limits...)
		require.NoError(b, err)
		script := program.Script()
		if change != nil {
			changed := change(script.Source())
			require.NotEqual(b, script.Source(), changed)
			script = store.NewScript(name, changed)
		}
		b.Run(name, func(b *testing.B) {
			measure(b, server, s, script, keys*len(limits), decisions, func(args []int64, decision int) []int64 {
				if decision == 0 {
					args = program.AppendParams(args)
				}
				for limit := range limits {
					args = program.AppendRequest(args, 1, decision%keys*len(limits)+limit)
				}
				return args
			})
		})
	}
	run("Floor/Empty", func(string) string { return "return {1}" }, 1, 1, plan)
	run("Floor/HandWritten", func(string) string { return handWritten.Source() }, 1, 1, plan)
	run("TokenBucket/1", nil, 1, 1, plan)
	run("TokenBucket/1/NoFastPath", func(source string) string {
		return strings.Replace(source, "local alone, texts = not across and", "local alone, texts = false and", 1)
	}, 1, 1, plan)
	run("SlidingWindow/1", nil, 1, 1, window)
	run("SlidingLog/1", nil, 1, 1, compile(b, slidingwindow.Log{Rate: 100, Period: time.Second}))
	run("TokenBucket/16Keys", nil, 16, 16, plan)
	run("TokenBucket/16Keys/Fractions", nil, 16, 16, compile(b, tokenbucket.Limit{Rate: 70, Period: time.Second})) // units come back at fractions of a µs
	run("TokenBucket/64OnOneKey", nil, 1, 64, plan)
	run("SlidingWindow/16Keys", nil, 16, 16, window)
	follow := func(name string, limit *algorithm.Plan) {
		program, err := algorithm.Compose(limit)
		require.NoError(b, err)
		const requests = 64
		b.Run(name, func(b *testing.B) {
			measure(b, server, s, program.Script(), 1, requests, func(args []int64, decision int) []int64 {
				if decision > 0 {
					return args // decision 0 has appended all of them
				}
				return program.AppendRepeats(program.AppendParams(args), 1, requests, 0)
			})
		})
	}
	slow := compile(b, tokenbucket.Limit{Rate: 1_000_000, Period: 1_000_000 * time.Second})
	follow("TokenBucket/64Follow", slow)
	oneByOne := *slow
	oneByOne.Additive = false
	follow("TokenBucket/64Follow/NotAdditive", &oneByOne)
	run("Joint/2Limits", nil, 1, 1, plan, window)
}

func measure(b *testing.B, server *redistest.Server, s store.Store, script *store.Script, keys, decisions int, add func([]int64, int) []int64) {
	const identities = 2000
	var names [identities][]string
	for i := range names {
		for k := range keys {
			names[i] = append(names[i], fmt.Sprintf("myapp:token_bucket:%060d%04d", i, k))
		}
	}
	var args []int64
	for d := range decisions {
		args = add(args, d)
	}
	once := func(i int) {
		if _, err := s.Run(context.Background(), script, names[i%identities], args); err != nil {
			b.Fatal(err)
		}
	}
	server.MustDo(b, "FLUSHALL")
	for i := range identities / 4 {
		once(i * 4)
	}
	server.MustDo(b, "CONFIG", "RESETSTAT")
	b.SetParallelism(16) // keeps the server busy: an idle one's processor slows down
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			once(rand.Int())
		}
	})
	stat := regexp.MustCompile(`usec=([0-9]+)`).FindStringSubmatch(server.Info("commandstats")["cmdstat_evalsha"])
	require.NotNil(b, stat)
	usec, err := strconv.ParseFloat(stat[1], 64)
	require.NoError(b, err)
	b.ReportMetric(usec/float64(b.N*decisions), "redis-µs/decision")
}
