// Package rueidis is the driver for rueidis, github.com/redis/rueidis.
//
// It has the same name as its client. If you need both, import the client under another:
//
//	import (
//		client "github.com/redis/rueidis"
//
//		"github.com/distributed-rate-limiter/ratelimit/store/rueidis"
//	)
//
// [New] takes a client you have; [Open] makes one with the settings that suit a rate
// limiter.
package rueidis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	client "github.com/redis/rueidis"

	"github.com/distributed-rate-limiter/ratelimit/internal/driver"
	"github.com/distributed-rate-limiter/ratelimit/internal/hashslot"
	"github.com/distributed-rate-limiter/ratelimit/internal/wire"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// name begins the package's errors.
const name = "rueidis"

var (
	errNoClient = errors.New("rueidis: the store has no client (it was made of nil)")
	errNoScript = errors.New("rueidis: the script is nil")
	// errCrossSlot is what a cluster would reply if the client did not refuse to send the
	// command.
	errCrossSlot = driver.Server("CROSSSLOT Keys in request don't hash to the same slot",
		errors.New("rueidis: the keys of one run are in different hash slots of the cluster"))
)

// Store runs scripts through a rueidis client. It is safe for concurrent use.
type Store struct {
	get   func(context.Context) (client.Client, error)
	close func() // nil if the client is the caller's
	text  string // what Format shows
	// cluster reports whether the client is for a Cluster.
	cluster bool
	gather  *gather
	// secrets are the passwords in Open's URL and options.
	secrets driver.Secrets
	warmer  *driver.Warmer
	layout  *driver.Layout // nil if there is no Cluster
}

// session is a client, with the secrets that no error may reveal.
type session struct {
	client.Client
	secrets driver.Secrets
}

var _ store.Store = (*Store)(nil)

// New returns a Store that runs on c. The caller still owns the client, and must set it up
// and close it. Leave its ConnLifetime unset, as it is by default: rueidis never sends a
// script whose outcome is unknown again, except if a connection's lifetime ends while the
// server hangs.
//
// If the client has one server, also behind Sentinels, runs that come while four are in
// flight go together, by DoMulti. So limiters that share a Store share round trips. With
// other clients, and with a client in a wrapper that sees its commands, each run goes by
// itself. In a testing/synctest bubble, use a client and a Store that were made there.
//
// A Store of [Open] can do more, because nobody else uses its client: a lone caller gets its
// answer sooner.
//
// New(nil) is nil. Run of a nil Store returns an error.
func New(c client.Client) *Store {
	if driver.IsNil(c) {
		return nil
	}
	get := func(context.Context) (client.Client, error) { return c, nil }
	cluster := c.Mode() == client.ClientModeCluster
	return &Store{
		get:     get,
		text:    fmt.Sprintf("%T", c),
		cluster: cluster,
		gather:  newGather(apart(c), false),
		warmer:  &driver.Warmer{},
		layout:  newLayout(cluster),
	}
}

// Close closes the client if [Open] made it; closing it again does nothing. Close does not
// close a client that was given to [New]. The error is always nil.
func (s *Store) Close() error {
	if s != nil && s.close != nil {
		s.close()
	}
	return nil
}

// String names the Redis, or the type of the client. It never shows a password.
func (s Store) String() string { return "rueidis.Store(" + s.text + ")" }

// Format implements fmt.Formatter, so that no verb shows the client, whose options contain
// the password.
func (s Store) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// Run implements [store.Store].
func (s *Store) Run(ctx context.Context, script *store.Script, keys []string, args []int64) ([]int64, error) {
	start := time.Now()
	c, err := s.client(ctx, script)
	if err != nil {
		return nil, err
	}
	reply, err := s.run(ctx, start, c, script, keys, args, false)
	s.prepare(c, keys, err)
	s.warm(c, keys, err)
	return reply, err
}

// run runs script on c, for a Run that began at start: by EVALSHA, and by EVAL if the server
// does not have it.
func (s *Store) run(ctx context.Context, start time.Time, c session, script *store.Script, keys []string, args []int64, across bool) (reply []int64, err error) {
	defer func() { // building a command may panic, too
		if p := recover(); p != nil {
			reply, err = nil, fmt.Errorf("%s: %w", name, panicked(p))
		}
	}()
	// A cluster client's builder panics if keys have different slots.
	if !across && c.Mode() == client.ClientModeCluster && !hashslot.Same(keys) {
		return nil, errCrossSlot
	}
	message, err := s.send(ctx, start, c, "EVALSHA", script.SHA1(), keys, args, across)
	if err != nil && driver.NoScript(err) {
		message, err = s.send(ctx, start, c, "EVAL", script.Source(), keys, args, across)
	}
	if err != nil {
		return nil, err
	}
	return decode(&message)
}

// send sends a command and returns the reply, or its error in the form that [store.Store]
// prescribes.
func (s *Store) send(ctx context.Context, start time.Time, c session, verb, script string, keys []string, args []int64, across bool) (client.RedisMessage, error) {
	for {
		w := s.gather.begin(c.Client)
		w.add(verb, script, keys, args, across)
		if err := s.gather.do(ctx, w); err != nil {
			return client.RedisMessage{}, err
		}
		message, err := w.results[0].ToMessage()
		s.gather.put(w)
		if !notSent(ctx, start, err) {
			return message, replyError(ctx, c.secrets, &message, err)
		}
	}
}

// warm makes a connection in the background, to the server that has keys, if err says that a
// run on them ran out of time.
func (s *Store) warm(c session, keys []string, err error) {
	if err == nil {
		return // the usual case, in which nothing is copied
	}
	keys = slices.Clone(keys[:min(1, len(keys))])
	s.warmer.After(err, func(ctx context.Context) {
		c.Do(ctx, command(c.B(), "EVAL", driver.Nothing, keys, nil, false).ToPipe())
	})
}

// client returns the client for a run of script.
func (s *Store) client(ctx context.Context, script *store.Script) (session, error) {
	switch {
	case s == nil || s.get == nil:
		return session{}, errNoClient
	case script == nil:
		return session{}, errNoScript
	}
	if err := ctx.Err(); err != nil {
		return session{}, driver.Wrap(ctx, name, err)
	}
	c, err := s.get(ctx)
	if err != nil {
		return session{}, failure(ctx, s.secrets, err)
	}
	return session{c, s.secrets}, nil
}

// replyError returns err, which came instead of a reply or as one, in the form that
// [store.Store] prescribes.
func replyError(ctx context.Context, secrets driver.Secrets, message *client.RedisMessage, err error) error {
	if err == nil {
		return nil
	}
	if reply, ok := client.IsRedisErr(err); ok {
		// The text of the error lacks the "ERR " that the message began with.
		if text, _ := message.ToString(); text != "" {
			return driver.Server(text, reply)
		}
	}
	return failure(ctx, secrets, err)
}

// othersTime is how long a run puts up with other callers whose contexts end. It is less
// than the time after which a client itself gives up connecting.
const othersTime = time.Second

// notSent reports whether err, of a run that began at start, is the error of another caller.
// This run waited for a connection together with that caller, whose context ended while the
// connection was made. The command was then not written, and may be sent again.
//
// The client returns the error of a context only to the caller whose context it is, and to
// those that wait for the same connection, which get it before the first byte of theirs is
// written. The dialer of Open marks the timeout of an attempt, which must not count here: it
// answers all callers for a while, so sending again would be to spin.
//
// notSent also reports true for the error of a connection that the server had closed.
func notSent(ctx context.Context, start time.Time, err error) bool {
	if err == nil || driver.Ended(ctx, err) != nil || time.Since(start) > othersTime {
		return false
	}
	if _, ok := errors.AsType[*attemptError](err); ok {
		return false
	}
	if err == context.DeadlineExceeded || err == context.Canceled { //nolint:errorlint // not one that wraps it
		return true
	}
	if errors.Is(err, wire.ErrClosed) {
		return true
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial" && (dial.Timeout() || errors.Is(dial, context.Canceled))
}

// failure returns err, which is not the error of a reply to a script, in the form that
// [store.Store] prescribes, after the package's name.
func failure(ctx context.Context, secrets driver.Secrets, err error) error {
	if client.IsRedisNil(err) {
		return store.BadReply(nil)
	}
	if reply, ok := errors.AsType[*client.RedisError](err); ok {
		return secrets.Server(setupMessage(reply.Error()), err)
	}
	return secrets.Wrap(ctx, name, err)
}

// setupMessage returns the reply to a command that set up the connection, given its text
// without the "ERR " with which it may have begun. Nearly all other replies to such commands
// begin with a code of their own (WRONGPASS, NOAUTH, LOADING, …).
func setupMessage(text string) string {
	switch (&store.ServerError{Message: text}).Prefix() {
	case "", "DB", "AUTH", "HELLO", "SELECT", "CLIENT": // not codes
		return "ERR " + text
	}
	return text
}
