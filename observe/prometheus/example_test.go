package prometheus_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	rlprometheus "github.com/distributed-rate-limiter/ratelimit/observe/prometheus"
	"github.com/distributed-rate-limiter/ratelimit/store/embedded"
)

func Example() {
	redis, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()

	observer, err := rlprometheus.New()
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(observer)
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	limiter, err := ratelimit.New(redis, tokenbucket.Limit{Rate: 2, Period: time.Minute},
		ratelimit.WithNamespace("shop"),
		ratelimit.WithObserver(observer),
	)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		limiter.Allow(context.Background(), "user:42")
	}

	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "ratelimit_decisions_total" {
			for _, metric := range family.GetMetric() {
				fmt.Println(metric.GetLabel()[2].GetValue(), metric.GetCounter().GetValue())
			}
		}
	}
	// Output:
	// allowed 2
	// denied 1
}

func ExampleWithDurationBuckets() {
	// A timeout of 50 ms, and no interest in finer steps below a millisecond.
	_, err := rlprometheus.New(rlprometheus.WithDurationBuckets(.001, .0025, .005, .01, .025, .055))
	fmt.Println(err)
	_, err = rlprometheus.New(rlprometheus.WithDurationBuckets(.01, .001))
	fmt.Println(err)
	// Output:
	// <nil>
	// ratelimit/observe/prometheus: duration bucket is 0.001: must be above the one before, 0.01
}

func ExampleWithNativeHistograms() {
	observer, err := rlprometheus.New(rlprometheus.WithNativeHistograms(1.1))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(prometheus.NewRegistry().Register(observer))
	// Output:
	// <nil>
}
