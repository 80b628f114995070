package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/examples/internal/serve"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// A request that is in flight when the server is stopped still gets its answer.
func TestHTTPFinishes(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		stop()
		for { // until the server no longer listens
			connection, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				break
			}
			connection.Close()
		}
		fmt.Fprint(w, "finished")
	})
	served := make(chan error, 1)
	go func() { served <- serve.HTTP(ctx, listener, handler) }()
	response, err := http.Get("http://" + listener.Addr().String())
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "finished", string(body))
	require.NoError(t, <-served)
}

func TestRunFails(t *testing.T) {
	broken := func(context.Context, store.Store, net.Listener) error { return errors.New("broken") }
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"-rate 1", 2, "-rate"},
		{"now", 2, `p: unexpected argument "now"`},
		{"-redis http://there", 2, "p: bad -redis"},
		{"-addr 127.0.0.1:none", 1, "p: bad -addr"},
		{"-addr 127.0.0.1:0", 1, "p: broken"},
		{"-h", 0, "-redis"},
	} {
		var stdout, stderr bytes.Buffer
		program := serve.Program{Name: "p", Try: "%s", Serve: broken}
		require.Equal(t, test.code, program.Run(t.Context(), strings.Fields(test.args), &stdout, &stderr))
		require.Contains(t, stderr.String(), test.want)
	}
}
