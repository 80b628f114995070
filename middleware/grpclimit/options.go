package grpclimit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
)

// ServerOption sets something of a server's interceptors other than its default.
type ServerOption interface{ applyServer(*config) error }

// ClientOption sets something of a client's interceptors other than its default.
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

// config is what options set.
type config struct {
	skips      []func(context.Context, Call) bool
	messages   bool
	plain      bool
	noIdentity codes.Code
	denied     func(context.Context, *Denial) error
	pushback   time.Duration // of a server; 0: none
	wait       time.Duration // of a client; 0: none
}

// WithSkip lets calls through that skip is true for: they cost nothing, not even a
// look at Redis. A stream is skipped as a whole, with its messages. The default is
// to skip none; several add up. See [HealthAndReflection].
func WithSkip(skip func(ctx context.Context, call Call) bool) Option {
	return option(func(c *config) error {
		if skip == nil {
			return errors.New("WithSkip: skip is nil")
		}
		c.skips = append(slices.Clip(c.skips), skip)
		return nil
	})
}

// HealthAndReflection is true for the calls of gRPC's own services for health checks
// and reflection, for [WithSkip].
func HealthAndReflection(_ context.Context, call Call) bool {
	switch call.Service() {
	case "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection":
		return true
	}
	return false
}

// WithMessages has each message count of a stream in which the client sends many,
// beside the stream's start: at a server those that it receives, at a client those
// that it sends. The default is that a stream counts once, as it begins.
//
// A server's stream whose message is denied gets the [*Denial] from Recv, to return
// it. A client's gets it from Send, and the stream is aborted. Each message then
// costs a decision, mostly a round trip to Redis.
func WithMessages() Option {
	return option(func(c *config) error {
		c.messages = true
		return nil
	})
}

// WithPlainSubject has the identity in the status of a denied call, as the subject
// of its QuotaFailure, cut off after 256 bytes. Whoever gets the status then reads
// what a call is limited as. The default is "limit:" and the limit's name.
func WithPlainSubject() Option {
	return option(func(c *config) error {
		c.plain = true
		return nil
	})
}

// WithNoIdentityCode sets the code for calls whose identity is unknown; the default
// is Unauthenticated. It may not be OK.
func WithNoIdentityCode(code codes.Code) Option {
	return option(func(c *config) error {
		if code == codes.OK || code > codes.Unauthenticated {
			return fmt.Errorf("WithNoIdentityCode: code is %v: must be that of an error", code)
		}
		c.noIdentity = code
		return nil
	})
}

// WithDenied sets what a call ends with that is not let through, whatever the
// reason: see [Denial.Code]. denied returns the error, most often made by package
// status; for nil, it is the default, d itself. It runs on the call's goroutine.
func WithDenied(denied func(ctx context.Context, d *Denial) error) Option {
	return option(func(c *config) error {
		if denied == nil {
			return errors.New("WithDenied: denied is nil")
		}
		c.denied = denied
		return nil
	})
}

// WithPushback tells gRPC clients when to try again, by the trailer
// grpc-retry-pushback-ms: a client whose service config has a retry policy for
// RESOURCE_EXHAUSTED (or UNAVAILABLE) then waits just so long, not by its backoff.
// Waits above longest, which must be 1 ms or more, are answered with "do not retry":
// a client waits for all of it, unless its call has a deadline. The default is no
// trailer.
func WithPushback(longest time.Duration) ServerOption {
	return serverOption(func(c *config) error {
		if longest < time.Millisecond {
			return fmt.Errorf("WithPushback: longest is %v: must be 1ms or more", longest)
		}
		c.pushback = longest
		return nil
	})
}

// WithWait has a denied call wait until its limits let it through, and be sent then;
// the default is to fail at once. It waits for what [Denial.RetryAfter] says and asks
// again, as others may have been faster, for at most longest in all. It fails at
// once where that, or the deadline of the call's context, would pass before; where
// no wait helps; and where Redis is away and the limiter fails closed.
//
// Calls of one identity wait in line, in the order in which they came: only the first
// asks the limiter, so a thousand that wait load Redis as one does.
func WithWait(longest time.Duration) ClientOption {
	return clientOption(func(c *config) error {
		if longest <= 0 {
			return fmt.Errorf("WithWait: longest is %v: must be above 0", longest)
		}
		c.wait = longest
		return nil
	})
}
