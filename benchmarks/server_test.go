package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

func TestServer(t *testing.T) {
	redistest.Binary(t)
	s, err := startServer(t.Context())
	require.NoError(t, err)
	host, _, err := net.SplitHostPort(s.addr)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", host)
	require.DirExists(t, s.dir)
	a := newAdmin(s.addr)
	defer a.close()
	require.NoError(t, a.requireEmpty(t.Context()))

	s.stop()
	_, err = net.Dial("tcp", s.addr)
	require.Error(t, err)
	require.NoDirExists(t, s.dir)
}

func TestNoServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var stderr bytes.Buffer
	require.Equal(t, 1, run(t.Context(), nil, nil, io.Discard, &stderr))
	require.Contains(t, stderr.String(), "redis-server is not installed")
	require.Contains(t, stderr.String(), "-redis host:port")
}

// TestInterrupted checks that an interrupted run stops, says so, and reports nothing.
func TestInterrupted(t *testing.T) {
	redistest.Binary(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, run(ctx, []string{"-time", "1m"}, nil, &stdout, &stderr))
	require.Empty(t, stdout.String())
	require.Contains(t, stderr.String(), "interrupted")
}

// TestRedisNotEmpty checks that the program refuses a Redis that has keys, and leaves them
// alone.
func TestRedisNotEmpty(t *testing.T) {
	s := redistest.Start(t)
	s.MustDo(t, "SET", "precious", "1")
	var stderr bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"-redis", s.Addr()}, nil, io.Discard, &stderr))
	require.Contains(t, stderr.String(), s.Addr())
	require.Contains(t, stderr.String(), "has keys")
	require.Equal(t, "1", s.MustDo(t, "GET", "precious"))
}

func TestNoRedis(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	var stderr bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"-redis", addr}, nil, io.Discard, &stderr))
	require.Contains(t, stderr.String(), addr)
}
