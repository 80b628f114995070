//go:build unix

package wire

import "syscall"

// hasInput reports whether there is something to be read from a socket, be it its end or an
// error.
func hasInput(socket syscall.RawConn) (has bool) {
	_ = socket.Control(func(fd uintptr) {
		var room [1]byte
		_, _, err := syscall.Recvfrom(int(fd), room[:], syscall.MSG_PEEK) // does not wait, as no socket of Go's does
		has = err != syscall.EAGAIN && err != syscall.EWOULDBLOCK && err != syscall.EINTR
	})
	return has
}
