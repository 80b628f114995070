package ratelimit_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// TestErrorClasses checks that ErrorClasses returns every class that failure.go declares, in
// the same order.
func TestErrorClasses(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "failure.go", nil, 0)
	require.NoError(t, err)
	var declared []ratelimit.ErrorClass
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "ErrorClass" {
			for _, value := range spec.Values {
				class, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				require.NoError(t, err)
				declared = append(declared, ratelimit.ErrorClass(class))
			}
		}
		return true
	})
	require.Contains(t, declared, ratelimit.ClassTimeout)
	require.Equal(t, declared, ratelimit.ErrorClasses())
}

// fails is a store whose runs all fail with err.
type fails struct{ err error }

func (f fails) Run(context.Context, *store.Script, []string, []int64) ([]int64, error) {
	return nil, f.err
}

// TestClassOfReply checks the classes of the errors that servers of several kinds and versions
// reply with.
func TestClassOfReply(t *testing.T) {
	for message, class := range map[string]ratelimit.ErrorClass{
		"NOAUTH Authentication required.":                               ratelimit.ClassDenied,
		"WRONGPASS invalid username-password pair or user is disabled.": ratelimit.ClassDenied,
		"ERR invalid password":                                          ratelimit.ClassDenied, // Redis 5
		"ERR Client sent AUTH, but no password is set":                  ratelimit.ClassDenied, // Redis 5
		"ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?": ratelimit.ClassDenied,
		"NOPERM User limiter has no permissions to run the 'evalsha' command":                                                          ratelimit.ClassDenied,
		"ERR user_script:1: -NOPERM this user has no permissions to run it":                                                            ratelimit.ClassDenied,
		// Redis 6.0 to 7.0.
		"ERR The user executing the script can't run this command or subcommand script: 8a0e, on @user_script:166.":                                   ratelimit.ClassDenied,
		"ERR The user executing the script can't access at least one of the keys mentioned in the command arguments script: 8a0e, on @user_script:1.": ratelimit.ClassDenied,
		// Redis 7.2 and later, and Valkey.
		"ERR ACL failure in script: User limiter has no permissions to run the 'mget' command script: 8a0e, on @user_script:166.": ratelimit.ClassDenied,
		"ERR ACL failure in script: User limiter has no permissions to access the 'a:b' key script: on @user_script:166.":         ratelimit.ClassDenied,

		"OOM command not allowed when used memory > 'maxmemory'. script: 8a0e, on @user_script:1.":                                             ratelimit.ClassUnavailable,
		"ERR Error running script (call to f_8a0e): @user_script:1: @user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.": ratelimit.ClassUnavailable,
		"READONLY You can't write against a read only replica.":                                                                                ratelimit.ClassUnavailable,
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.":                                     ratelimit.ClassUnavailable,
		"NOREPLICAS Not enough good replicas to write.":                                                                                        ratelimit.ClassUnavailable,
		"LOADING Valkey is loading the dataset in memory":                                                                                      ratelimit.ClassUnavailable,
		"BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.":                                              ratelimit.ClassUnavailable,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":                                                     ratelimit.ClassUnavailable,
		"MOVED 1234 127.0.0.1:7001":                             ratelimit.ClassUnavailable,
		"CLUSTERDOWN The cluster is down":                       ratelimit.ClassUnavailable,
		"CROSSSLOT Keys in request don't hash to the same slot": ratelimit.ClassUnavailable,
		"ERR DB index is out of range":                          ratelimit.ClassUnavailable,
		"ERR This instance has cluster support disabled":        ratelimit.ClassUnavailable,
		"ERR Script attempted to execute a write command while the cluster is down and readonly script: 8a0e, on @user_script:1.": ratelimit.ClassUnavailable,
		"ERR max number of clients reached":                       ratelimit.ClassUnavailable,
		"ERR max number of clients + cluster connections reached": ratelimit.ClassUnavailable,

		"ERR user_script:1: attempt to call field 'nosuch' (a nil value) script: 8a0e, on @user_script:1.": ratelimit.ClassScript,
		"WRONGTYPE Operation against a key holding the wrong kind of value":                                ratelimit.ClassScript,
	} {
		var seen events
		l, err := ratelimit.New(fails{&store.ServerError{Message: message}}, tokenbucket.Limit{Rate: 1, Period: time.Second}, ratelimit.WithObserver(&seen))
		require.NoError(t, err)
		r, err := l.Allow(t.Context(), "x")
		require.NoError(t, err)
		require.True(t, r.Degraded)
		all := seen.take()
		require.Equal(t, 1, len(all))
		require.Equal(t, class, all[0].Class, message)
	}
}
