//go:build unix

package wire

import "syscall"

// hasInput reports whether there is something to read from a socket, even if that is the end
// of the stream or an error.
func hasInput(socket syscall.RawConn) (has bool) {
	_ = socket.Control(func(fd uintptr) {
		var room [1]byte
		_, _, err := syscall.Recvfrom(int(fd), room[:], syscall.MSG_PEEK) // does not wait, because Go's sockets are non-blocking
		has = err != syscall.EAGAIN && err != syscall.EWOULDBLOCK && err != syscall.EINTR
	})
	return has
}
