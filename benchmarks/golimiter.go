package main

import (
	"context"
	"fmt"

	"github.com/sethvargo/go-limiter/memorystore"
)

// goLimiter decides in the process: it shows the least cost of deciding without Redis.
func goLimiter() *contestant {
	return &contestant{name: "go-limiter in memory", kind: local, module: "github.com/sethvargo/go-limiter",
		note: "not distributed: decides in the process, so N processes admit N times the limit",
		open: func(_ *clients, l limit) (*subject, error) {
			store, err := memorystore.New(&memorystore.Config{Tokens: uint64(l.count), Interval: l.period})
			if err != nil {
				return nil, fmt.Errorf("make a store: %w", err)
			}
			s := single(func(ctx context.Context, identity string) (bool, error) {
				_, _, _, ok, err := store.Take(ctx, identity)
				return ok, err
			})
			s.release = func() { _ = store.Close(context.Background()) }
			return s, nil
		}}
}
