package goredis

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// The verbs are of type any once and for all, since making them so allocates.
var (
	evalsha any = "evalsha"
	eval    any = "eval"
)

// call is all that one command needs, and that its caller may give up on. Room
// for a run of ordinary size is part of it.
type call struct {
	reply   reply
	texts   [4]string
	numbers [12]int64
	cmd     *redis.RawWriteToCmd
	err     error // of a command that was sent by gather
}

// command returns the command that runs script, which is a digest or a source,
// with keys and args, and has its reply written to the call's. Across slots, keys are not
// declared as such, but are args, after their number; the first tells a cluster client
// where to send it all the same.
//
// It is of a kind that go-redis never sends again once it may have been run,
// since its reply may have been written already: not for the MaxRetries of the
// client, nor for the MaxRedirects of a cluster client, nor of the ring. What
// follows a reply that says that nothing was run (MOVED, ASK) is not excluded.
//
// The arguments are pointers into two copies, rather than values, each of which
// would be an allocation of its own. They are copies since a client may still
// write a command that its caller has given up on.
func (c *call) command(ctx context.Context, verb any, script string, keys []string, args []int64, across bool) *redis.RawWriteToCmd {
	texts := append(append(c.texts[:0], script), keys...)
	numbers := append(c.numbers[:0], args...)
	argv := make([]any, 0, 4+len(keys)+len(args))
	argv = append(argv, verb, &texts[0])
	if across {
		argv = append(argv, 0)
	}
	argv = append(argv, len(keys))
	first := int8(len(argv))
	for i := range keys {
		argv = append(argv, &texts[1+i])
	}
	for i := range numbers {
		argv = append(argv, &numbers[i])
	}
	c.reply.want = -1
	cmd := redis.NewRawWriteToCmd(ctx, &c.reply, argv...)
	if len(keys) > 0 {
		cmd.SetFirstKeyPos(first) // what a cluster client routes by
	}
	// Not knowing this, a cluster client asks a node for it, once, for as long as
	// 5 s, while all others wait.
	cmd.SetStepCount(1)
	return cmd
}

// failure returns the error of the call's command, which was one of a pipeline that was
// refused.
func (c *call) failure(cmd redis.Cmder, refused error) error {
	if err := cmd.Err(); err != nil || c.reply.want >= 0 {
		return err
	}
	return refused
}

// refusal returns the error of a pipeline of which no command has one: an error reply to
// what sets up the connection. go-redis does not tell the commands of that.
func refusal(cmds []redis.Cmder, err error) error {
	for _, cmd := range cmds {
		if cmd.Err() != nil {
			return nil
		}
	}
	return err
}
