package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// FailureMode says what a limiter decides while Redis cannot.
type FailureMode int

const (
	// FailOpen lets requests through. It suits limits that protect comfort, such as
	// those of a public API.
	FailOpen FailureMode = iota
	// FailClosed denies them. It suits limits that protect safety, such as those of
	// a login.
	FailClosed
)

// String returns "open" or "closed".
func (m FailureMode) String() string {
	switch m {
	case FailOpen:
		return "open"
	case FailClosed:
		return "closed"
	}
	return fmt.Sprintf("FailureMode(%d)", int(m))
}

// degraded returns the failure mode's answer to a request for n units. An n that the limit
// could never allow is denied in any mode.
func (l *Limiter) degraded(n int64) Result {
	r := Result{Limit: l.plan.Limit, Degraded: true}
	if n > l.plan.Limit {
		r.RetryAfter = algorithm.Never
	} else {
		r.Allowed = l.mode == FailOpen
	}
	return r
}

// ErrorClass is the kind of failure that kept Redis from deciding. It is fit for a
// metric's label: there are few classes, and none contains data.
type ErrorClass string

// The classes of errors.
const (
	// ClassTimeout: no answer came in time. Whether units were taken is unknown.
	ClassTimeout ErrorClass = "timeout"
	// ClassCanceled: the caller's own context ended. The call returned an error.
	ClassCanceled ErrorClass = "canceled"
	// ClassRefused: nothing listens at Redis's address.
	ClassRefused ErrorClass = "refused"
	// ClassUnavailable: the connection failed; or Redis says that it cannot serve now
	// (loading, failing over, read-only, busy, out of memory), that the key is on
	// another node (was the store opened WithCluster?), that it has no such database,
	// or that it is not a Cluster.
	ClassUnavailable ErrorClass = "unavailable"
	// ClassDenied: Redis refuses the user, the password or the command.
	ClassDenied ErrorClass = "denied"
	// ClassScript: the script failed, or Redis replied with an error that is none of
	// the above.
	ClassScript ErrorClass = "script"
	// ClassReply: the reply was not one that the script can give.
	ClassReply ErrorClass = "reply"
	// ClassOverloaded: too many runs were in flight; nothing was sent.
	ClassOverloaded ErrorClass = "overloaded"
	// ClassBreaker: several runs in a row had got no answer from Redis; nothing was sent.
	ClassBreaker ErrorClass = "breaker"
)

// ErrorClasses returns all classes, for observers that count by class. Later
// versions may add some.
func ErrorClasses() []ErrorClass {
	return []ErrorClass{
		ClassTimeout, ClassCanceled, ClassRefused, ClassUnavailable, ClassDenied,
		ClassScript, ClassReply, ClassOverloaded, ClassBreaker,
	}
}

// classify returns the class of a failed decision's error, or "" for nil.
func classify(err error) ErrorClass {
	if err == nil {
		return "" // before the variables below are allocated
	}
	var server *store.ServerError
	var network net.Error
	switch {
	case errors.Is(err, ErrBreakerOpen):
		return ClassBreaker
	case errors.Is(err, ErrOverloaded):
		return ClassOverloaded
	case errors.Is(err, errGivenUp):
		return ClassCanceled
	case errors.Is(err, store.ErrReply):
		return ClassReply
	case errors.Is(err, algorithm.ErrFailed):
		return ClassScript
	case errors.As(err, &server):
		return classifyServer(server)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return ClassTimeout
	case errors.As(err, &network) && network.Timeout():
		return ClassTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return ClassRefused
	}
	return ClassUnavailable
}

func classifyServer(e *store.ServerError) ErrorClass {
	switch e.Prefix() {
	case "DENIED", "NOAUTH", "NOPERM", "WRONGPASS":
		return ClassDenied
	case "ASK", "BUSY", "CLUSTERDOWN", "CROSSSLOT", "LOADING", "MASTERDOWN", "MISCONF", "MOVED", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN":
		return ClassUnavailable
	}
	for _, known := range messages {
		if strings.Contains(e.Message, known.part) {
			return known.class
		}
	}
	return ClassScript
}

// messages gives the class of errors whose code does not tell it, by a part of their message.
// If a command inside a script fails, its code is somewhere in the message.
var messages = []struct {
	part  string
	class ErrorClass
}{
	{"ACL failure in script", ClassDenied},         // from Redis 7.2 on
	{"The user executing the script", ClassDenied}, // before Redis 7.2
	{"NOPERM", ClassDenied},
	{"invalid password", ClassDenied},   // Redis 5
	{"no password is set", ClassDenied}, // Redis 5, like the next
	{"without any password", ClassDenied},
	{"-OOM ", ClassUnavailable},
	{"-READONLY ", ClassUnavailable},
	{"-MISCONF ", ClassUnavailable},
	{"cluster is down", ClassUnavailable},
	{"max number of clients", ClassUnavailable},
	{"DB index is out of range", ClassUnavailable},
	{"cluster support disabled", ClassUnavailable},
}
