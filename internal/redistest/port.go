package redistest

import (
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from a range below the ephemeral ports of Linux and macOS, so that no
// outgoing connection occupies the port of a server that is down for a moment. The range of
// the bus ports, which is higher by busOffset, does not overlap it, and has valid ports only.
const (
	firstPort = 10000
	portCount = 10000

	// busOffset is what a Cluster node adds to its port to get that of its bus.
	busOffset = 10000
)

// freePort returns a port that is free at the moment, as is the port of its Cluster bus.
// Another process may still take either of them first.
func freePort() (int, bool) {
	const attempts = 100
	for range attempts {
		port := firstPort + rand.IntN(portCount)
		if free(port) && free(port+busOffset) {
			return port, true
		}
	}
	return 0, false
}

func free(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
