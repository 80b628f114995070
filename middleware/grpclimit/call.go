package grpclimit

import "strings"

// Call is what is to be let through: a call as it begins, or a message of a stream
// under [WithMessages]. It may get further fields.
type Call struct {
	// Method is the full name of the method, "/package.Service/Method".
	Method string
	// Message is the request of a unary call; or the message of a stream that is
	// to be let through. It is nil where a stream begins.
	Message any
	// Target is what the client's connection was made for, such as
	// "dns:///greeter.example:443". It is empty at a server.
	Target string
	// Client tells that the call is an outgoing one.
	Client bool
	// Stream tells that the call is not a unary one.
	Stream bool
}

// Service returns the service that the method is of, "package.Service".
func (c Call) Service() string {
	name := strings.TrimPrefix(c.Method, "/")
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return ""
}
