package grpclimit

import "strings"

// Call describes what is being limited: a call as it begins or, under [WithMessages], a
// message of a stream. Further fields may be added.
type Call struct {
	// Method is the full name of the method, "/package.Service/Method".
	Method string
	// Message is the request of a unary call, or the message of a stream. It is nil when a
	// stream begins.
	Message any
	// Target is what the client's connection was made for, such as
	// "dns:///greeter.example:443". It is empty at a server.
	Target string
	// Client tells that the call is outgoing.
	Client bool
	// Stream tells that the call is a stream, not a unary call.
	Stream bool
}

// Service returns the service that the method belongs to, "package.Service".
func (c Call) Service() string {
	name := strings.TrimPrefix(c.Method, "/")
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return ""
}
