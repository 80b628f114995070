package redistest

import (
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// refused waits until nothing listens at addr.
func refused(addr string) bool {
	return poll(10*time.Second, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

func TestStart(t *testing.T) {
	s := Start(t, "--maxmemory", "12mb")
	require.Equal(t, "PONG", s.MustDo(t, "PING"))
	require.Equal(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port())), s.Addr())
	require.Equal(t, "redis://"+s.Addr(), s.URL())
	require.Equal(t, []any{"maxmemory", "12582912"}, s.MustDo(t, "CONFIG", "GET", "maxmemory"))
	require.Equal(t, []any{"save", ""}, s.MustDo(t, "CONFIG", "GET", "save"))
}

func TestStartStopsWithTheTest(t *testing.T) {
	var s *Server
	t.Run("inner", func(t *testing.T) {
		s = Start(t)
		s.Pause() // a paused server must be stopped, too
	})
	if s == nil {
		t.Skip("the inner test was skipped")
	}
	_, err := net.Dial("tcp", s.Addr())
	require.Error(t, err)
	require.NoDirExists(t, s.dir)
}

func TestStartFailure(t *testing.T) {
	s := &Server{t: t, path: Binary(t), dir: t.TempDir(), args: []string{"--no-such-option", "1"}}
	s.port, _ = freePort()
	require.ErrorContains(t, s.start(), "no-such-option", "the error has what the server said")
	require.False(t, s.lostPort())
}

func TestStartPortTaken(t *testing.T) {
	first := Start(t)
	second := &Server{t: t, path: Binary(t), dir: t.TempDir(), port: first.Port()}
	require.Error(t, second.start(), "the answer of another server is not taken for its own")
	require.True(t, second.lostPort())

	bus, err := net.Listen("tcp", address(first.Port()+1+busOffset))
	if err != nil {
		t.Skip("the port that this test wants to occupy is taken: run it again")
	}
	defer bus.Close()
	third := &Server{t: t, path: Binary(t), dir: t.TempDir(), port: first.Port() + 1, args: []string{"--cluster-enabled", "yes"}}
	require.Error(t, third.start())
	require.True(t, third.lostPort(), third.log())
}

func TestDo(t *testing.T) {
	s := Start(t)
	require.Equal(t, "OK", s.MustDo(t, "SET", "k", "a\r\n\x00b"))
	require.Equal(t, "a\r\n\x00b", s.MustDo(t, "GET", "k"))
	require.Nil(t, s.MustDo(t, "GET", "none"))
	require.Equal(t, int64(2), s.MustDo(t, "EVAL", "return 2", "0"))
	require.Equal(t, []any{int64(1), "x", []any{}}, s.MustDo(t, "EVAL", "return {1, 'x', {}}", "0"))

	_, err := s.Do("INCR", "k")
	var reply Error
	require.ErrorAs(t, err, &reply)
	require.Contains(t, string(reply), "ERR value is not an integer")
}

func TestPauseResume(t *testing.T) {
	s := Start(t)
	timeout := s.timeout
	s.Pause()
	s.timeout = 50 * time.Millisecond
	_, err := s.Do("PING")
	var slow net.Error
	require.ErrorAs(t, err, &slow)
	require.True(t, slow.Timeout())

	s.Resume()
	s.timeout = timeout
	require.Equal(t, "PONG", s.MustDo(t, "PING"))
}

func TestKillRestart(t *testing.T) {
	s := Start(t)
	before, pid := s.Addr(), s.Info("server")["process_id"]
	s.MustDo(t, "SET", "k", "v")

	s.Kill()
	s.Kill()
	_, err := s.Do("PING")
	require.Error(t, err)

	s.Restart()
	require.Equal(t, before, s.Addr())
	require.Nil(t, s.MustDo(t, "GET", "k"))
	require.NotEqual(t, pid, s.Info("server")["process_id"])

	s.Pause()
	s.Restart()
	require.Equal(t, "PONG", s.MustDo(t, "PING"))
}

func TestRestartKeepsWhatIsPersistent(t *testing.T) {
	s := Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s.MustDo(t, "SET", "k", "v")
	s.Restart()
	require.Equal(t, "v", s.MustDo(t, "GET", "k"))
}

func TestInfo(t *testing.T) {
	s := Start(t)
	s.MustDo(t, "GET", "k")
	require.Equal(t, strconv.Itoa(s.Port()), s.Info("server")["tcp_port"])
	require.Contains(t, s.Info("commandstats")["cmdstat_get"], "calls=1,")
}

// TestArgs checks that args can make servers of other kinds.
func TestArgs(t *testing.T) {
	t.Run("replica", func(t *testing.T) {
		master := Start(t)
		replica := Start(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.Port()))
		require.Equal(t, "slave", replica.Info("replication")["role"])
	})
	t.Run("password", func(t *testing.T) {
		s := Start(t, "--requirepass", "secret")
		_, err := s.Do("PING")
		require.ErrorContains(t, err, "NOAUTH")
	})
	t.Run("sentinel", func(t *testing.T) {
		master := Start(t)
		config := t.TempDir() + "/sentinel.conf"
		text := "sentinel monitor main 127.0.0.1 " + strconv.Itoa(master.Port()) + " 1\n"
		require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
		s := Start(t, config, "--sentinel")
		require.Equal(t, []any{"127.0.0.1", strconv.Itoa(master.Port())},
			s.MustDo(t, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"))
	})
}
