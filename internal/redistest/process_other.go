//go:build !linux

package redistest

import "syscall"

// dieWithParent asks for nothing, since only Linux can kill a child together
// with its parent. Elsewhere a test that panics, times out or is killed may
// leave a server behind.
func dieWithParent() *syscall.SysProcAttr { return nil }

// isPaused cannot tell here, and assumes that the signal has arrived.
func isPaused(int) bool { return true }
