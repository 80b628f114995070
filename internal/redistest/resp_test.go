package redistest

import (
	"bufio"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, wire string
		want       any
	}{
		{"status", "+OK\r\n", "OK"},
		{"error", "-ERR no\r\n", Error("ERR no")},
		{"integer", ":-7\r\n", int64(-7)},
		{"bulk", "$4\r\na\r\nb\r\n", "a\r\nb"},
		{"empty bulk", "$0\r\n\r\n", ""},
		{"nil bulk", "$-1\r\n", nil},
		{"nil array", "*-1\r\n", nil},
		{"array", "*3\r\n:1\r\n*1\r\n$1\r\nx\r\n-ERR no\r\n", []any{int64(1), []any{"x"}, Error("ERR no")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := (&conn{r: bufio.NewReader(strings.NewReader(c.wire))}).read()
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestReadMalformed(t *testing.T) {
	for _, wire := range []string{"", "\r\n", "+OK", ":x\r\n", "$5\r\nab\r\n", "*2\r\n:1\r\n", "%1\r\n", "?\r\n"} {
		_, err := (&conn{r: bufio.NewReader(strings.NewReader(wire))}).read()
		require.Error(t, err, "%q", wire)
	}
}
