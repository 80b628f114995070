package routetest

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestNetHTTP tests the reference itself: net/http with httplimit.
func TestNetHTTP(t *testing.T) { Run(t, NetHTTP) }
