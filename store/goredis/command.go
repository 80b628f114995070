package goredis

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// The verbs are converted to type any only once, because the conversion allocates.
var (
	evalsha any = "evalsha"
	eval    any = "eval"
)

// call is all that one command needs; its caller may give up on it. It includes room for a
// run of ordinary size.
type call struct {
	reply   reply
	texts   [4]string
	numbers [12]int64
	cmd     *redis.RawWriteToCmd
	err     error // the error of a command that was sent by gather
}

// command returns the command that runs script, which is a digest or a source, with keys and
// args, and writes its reply to c.reply. Across slots, the keys are not declared as such:
// they are args, after their number. The first key still tells a cluster client where to
// send the command.
//
// go-redis never sends a command of this kind again once it may have been run, because its
// reply may have been written already. That holds for the MaxRetries of the client, for the
// MaxRedirects of a cluster client, and for a ring. go-redis still follows a reply that says
// that nothing was run (MOVED, ASK).
//
// The arguments are pointers into two copies, because each argument passed by value would be
// an allocation of its own. They are copies because a client may still write a command that
// its caller has given up on.
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
	// Without a step count, a cluster client would look for one in the list of commands. It
	// asks a node for that, once, for as long as 5 s, while all other callers wait.
	cmd.SetStepCount(1)
	return cmd
}

// failure returns the error of the call's command in a pipeline. refused is the error of the
// whole pipeline if it was refused, and goes for each command without an outcome of its own.
func (c *call) failure(cmd redis.Cmder, refused error) error {
	if err := cmd.Err(); err != nil || c.reply.want >= 0 {
		return err
	}
	return refused
}

// refusal returns err, the error of a pipeline, if none of its commands has an error,
// otherwise nil. Such an err is an error reply to a command that set up the connection;
// go-redis does not pass it to the commands of the pipeline.
func refusal(cmds []redis.Cmder, err error) error {
	for _, cmd := range cmds {
		if cmd.Err() != nil {
			return nil
		}
	}
	return err
}
