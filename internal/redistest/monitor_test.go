package redistest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMonitor(t *testing.T) {
	s := Start(t)
	s.MustDo(t, "SET", "before", "1")
	m := s.Monitor(t)
	require.Empty(t, m.Lines())

	s.MustDo(t, "SET", "k", "1")
	s.MustDo(t, "EVAL", "return redis.call('GET', KEYS[1])", "1", "k")
	lines := m.Lines()
	require.Len(t, lines, 3, "what was answered has been collected")
	require.Regexp(t, `^\d+\.\d+ \[0 127\.0\.0\.1:\d+\] "SET" "k" "1"$`, lines[0])
	require.Contains(t, lines[2], `[0 lua] "GET" "k"`)

	s.MustDo(t, "DEL", "k")
	require.Len(t, m.Stop(), 4)
	s.MustDo(t, "DEL", "k")
}

func TestMonitorEndsWithTheServer(t *testing.T) {
	s := Start(t)
	m := s.Monitor(t)
	s.Kill()
	<-m.ended
}
