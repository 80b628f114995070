package redistest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOrphan checks that a test that is killed leaves no server behind.
func TestOrphan(t *testing.T) {
	if os.Getenv(orphanEnv) != "" {
		fmt.Println(Start(t).Addr())
		select {}
	}
	Binary(t)
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.Command(self, "-test.run=^TestOrphan$")
	child.Env = append(os.Environ(), orphanEnv+"=1", "TMPDIR="+t.TempDir()) // the child cannot remove what it leaves there
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line := bufio.NewScanner(output)
	ok := line.Scan()
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.True(t, ok, "the child said nothing")
	require.True(t, refused(line.Text()), "%s is still there", line.Text())
}
