package routetest

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestNetHTTP: net/http with httplimit is what others are held to.
func TestNetHTTP(t *testing.T) { Run(t, NetHTTP) }
