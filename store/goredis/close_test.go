package goredis

import (
	"errors"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
)

// TestClose: Close does not fail because something was closed already.
func TestClose(t *testing.T) {
	for _, err := range []error{nil, redis.ErrClosed, &net.OpError{Op: "close", Err: net.ErrClosed}} {
		s := &Store{close: func() error { return err }, warmer: &driver.Warmer{}, layout: &driver.Layout{}}
		require.NoError(t, s.Close())
	}
	s := &Store{close: func() error { return errors.New("oh") }, warmer: &driver.Warmer{}, layout: &driver.Layout{}}
	require.EqualError(t, s.Close(), "goredis: close: oh")
}
