//go:build !unix

package wire

import "syscall"

// hasInput is false: here it is not known.
func hasInput(syscall.RawConn) bool { return false }
