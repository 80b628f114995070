package observe_test

import (
	"context"
	"expvar"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/observe"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func ExampleHooks() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute},
		ratelimit.WithObserver(observe.Hooks{
			OnAllow: func(_ context.Context, e ratelimit.Event) {
				fmt.Println("allowed, degraded:", e.Result.Degraded)
			},
			OnBlock: func(_ context.Context, e ratelimit.Event) {
				fmt.Println("blocked, degraded:", e.Result.Degraded)
			},
			OnError: func(_ context.Context, e ratelimit.Event) {
				fmt.Println("error:", e.Class)
			},
		}))
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	limiter.Allow(ctx, "user:42")
	limiter.Allow(ctx, "user:42")
	redis.Close() // now Redis is gone, and the limiter fails open
	limiter.Allow(ctx, "user:42")
	// Output:
	// allowed, degraded: false
	// blocked, degraded: false
	// error: unavailable
	// allowed, degraded: true
}

func ExampleSlog() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()
	redis.SetTime(redis.Now()) // stop its clock, for the sake of the output

	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute},
		ratelimit.WithObserver(observe.Slog(logger)))
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	limiter.Allow(ctx, "user:42") // at Debug, which this logger does not show
	limiter.Allow(ctx, "user:42")
	// Output:
	// level=INFO msg="ratelimit: denied" namespace=ratelimit algorithm=token_bucket n=1 outcome=denied remaining=0 retry_after=1m0s
}

func ExampleCounts() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()

	var counts observe.Counts
	expvar.Publish("ratelimit", &counts)
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 3, Period: time.Minute},
		ratelimit.WithObserver(&counts))
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	limiter.AllowN(ctx, "user:42", 2)
	limiter.AllowN(ctx, "user:42", 2)
	fmt.Println(counts.Snapshot().Denied)
	fmt.Println(expvar.Get("ratelimit"))
	// Output:
	// 1
	// {"allowed":1,"denied":1,"degraded_allowed":0,"degraded_denied":0,"units":2,"errors":{},"breakers_open":0,"breakers_opened":0,"runs":2,"run_decisions":2}
}

func ExampleTop() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()

	top, err := observe.NewTop(observe.TopHalfLife(time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	expvar.Publish("ratelimit_top", top)
	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 1, Period: time.Minute},
		ratelimit.WithObserver(top))
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	for _, identity := range []string{"user:42", "user:7", "user:42", "user:42", "user:7"} {
		limiter.Allow(ctx, identity)
	}
	for _, l := range top.Top(1) {
		fmt.Println(l.Namespace, l.Algorithm, "denied", l.Denied)
		for _, who := range l.Identities {
			fmt.Println(who.Identity, "was denied", who.Denied-who.Error, "to", who.Denied)
		}
	}
	// A page of one's own, beside /debug/vars:
	http.HandleFunc("/debug/denied", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, top.String())
	})
	// Output:
	// ratelimit token_bucket denied 3
	// ea3fd43be1e57d62e163dae19fc740bd was denied 2 to 2
}
