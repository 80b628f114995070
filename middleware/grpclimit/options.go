package grpclimit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
)

// ServerOption changes a default of a server's interceptors.
type ServerOption interface{ applyServer(*config) error }

// ClientOption changes a default of a client's interceptors.
type ClientOption interface{ applyClient(*config) error }

// Option is a [ServerOption] and a [ClientOption].
type Option interface {
	ServerOption
	ClientOption
}

type (
	option       func(*config) error
	serverOption func(*config) error
	clientOption func(*config) error
)

func (o option) applyServer(c *config) error       { return o(c) }
func (o option) applyClient(c *config) error       { return o(c) }
func (o serverOption) applyServer(c *config) error { return o(c) }
func (o clientOption) applyClient(c *config) error { return o(c) }

// config is what the options set.
type config struct {
	skips      []func(context.Context, Call) bool
	messages   bool
	plain      bool
	noIdentity codes.Code
	denied     func(context.Context, *Denial) error
	pushback   time.Duration // of a server; 0: none
	wait       time.Duration // of a client; 0: none
}

// WithSkip lets a call through if skip returns true for it. Such a call costs nothing, not
// even a look at Redis. A stream is skipped as a whole, with its messages. By default no
// call is skipped. If the option is given several times, one true is enough. See
// [HealthAndReflection].
func WithSkip(skip func(ctx context.Context, call Call) bool) Option {
	return option(func(c *config) error {
		if skip == nil {
			return errors.New("WithSkip: skip is nil")
		}
		c.skips = append(slices.Clip(c.skips), skip)
		return nil
	})
}

// HealthAndReflection returns true for calls of gRPC's own services for health checks and
// reflection. It is meant for [WithSkip].
func HealthAndReflection(_ context.Context, call Call) bool {
	switch call.Service() {
	case "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection":
		return true
	}
	return false
}

// WithMessages counts the messages of streams in which the client sends many, in addition
// to the start of the stream: the messages received at a server, or sent at a client. By
// default a stream counts only once, when it begins.
//
// If a message is denied, a server's Recv returns the [*Denial], which the handler should
// return. A client's Send returns it, and the stream is aborted. Each message then costs a
// decision, which is usually a round trip to Redis.
func WithMessages() Option {
	return option(func(c *config) error {
		c.messages = true
		return nil
	})
}

// WithPlainSubject puts the identity into the status of a denied call, as the subject of
// its QuotaFailure, cut off after 256 bytes. Whoever receives the status can then read
// what the call is limited as. By default the subject is "limit:" and the limit's name.
func WithPlainSubject() Option {
	return option(func(c *config) error {
		c.plain = true
		return nil
	})
}

// WithNoIdentityCode sets the code of calls whose identity is unknown. The default is
// Unauthenticated. The code must not be OK.
func WithNoIdentityCode(code codes.Code) Option {
	return option(func(c *config) error {
		if code == codes.OK || code > codes.Unauthenticated {
			return fmt.Errorf("WithNoIdentityCode: code is %v: must be that of an error", code)
		}
		c.noIdentity = code
		return nil
	})
}

// WithDenied sets the error of calls that end with a [*Denial], whatever its
// [Denial.Code]. denied returns the error, usually made by package status; if it returns
// nil, the error is d itself, as by default. It runs on the call's goroutine.
func WithDenied(denied func(ctx context.Context, d *Denial) error) Option {
	return option(func(c *config) error {
		if denied == nil {
			return errors.New("WithDenied: denied is nil")
		}
		c.denied = denied
		return nil
	})
}

// WithPushback tells gRPC clients when to try again, with the trailer
// grpc-retry-pushback-ms. A client whose service config has a retry policy for
// RESOURCE_EXHAUSTED (or UNAVAILABLE) then waits exactly that long instead of using its
// backoff. Since a client waits however long it is told, unless its call has a deadline,
// waits above longest are answered with "do not retry". longest must be at least 1 ms. By
// default there is no trailer.
func WithPushback(longest time.Duration) ServerOption {
	return serverOption(func(c *config) error {
		if longest < time.Millisecond {
			return fmt.Errorf("WithPushback: longest is %v: must be 1ms or more", longest)
		}
		c.pushback = longest
		return nil
	})
}

// WithWait makes a denied call wait until its limits let it through, and sends it then. By
// default it fails at once. The call waits as long as [Denial.RetryAfter] says and then
// asks again, since others may have been faster. It waits for at most longest in all. It
// fails at once if longest or the deadline of the call's context would pass before that,
// if no wait helps, or if Redis is away and the limiter fails closed.
//
// Calls of one identity wait in line, in the order in which they came. Only the first in
// line asks the limiter, so a thousand waiting calls load Redis as much as one does.
func WithWait(longest time.Duration) ClientOption {
	return clientOption(func(c *config) error {
		if longest <= 0 {
			return fmt.Errorf("WithWait: longest is %v: must be above 0", longest)
		}
		c.wait = longest
		return nil
	})
}
