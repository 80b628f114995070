//go:build !unix

package wire

import "syscall"

// hasInput returns false, because here it cannot tell.
func hasInput(syscall.RawConn) bool { return false }
