package main

import (
	"context"
	"os"
	"testing"

	"github.com/redis/go-redis/v9/logging"
)

// TestMain lets the test binary be a process of a fleet, as the program can.
func TestMain(m *testing.M) {
	logging.Disable()
	if isChild(os.Args[1:]) {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}
