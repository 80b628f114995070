//go:build !unix

package wire

import "syscall"

// hasInput returns false, because it is not known here whether there is input.
func hasInput(syscall.RawConn) bool { return false }
