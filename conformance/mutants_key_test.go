package conformance

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// keyMutants change keys, drop or reorder them, or refuse some.
var keyMutants = []mutant{
	{
		name:   "PrefixesKeys",
		broken: "Keys get a prefix.",
		caught: "Keys",
		open:   withKey(func(key string) string { return "app:" + key }),
	},
	{
		name:   "HashesKeys",
		broken: "Keys are hashed.",
		caught: "Keys",
		open:   withKey(func(key string) string { return fmt.Sprintf("{%x}", sha256.Sum256([]byte(key))) }),
	},
	{
		name:   "TrimsKeys",
		broken: "Space about keys is trimmed.",
		caught: "Keys",
		open:   withKey(strings.TrimSpace),
	},
	{
		name:   "LowerCasesKeys",
		broken: "Keys are made lower-case.",
		caught: "Keys",
		open:   withKey(strings.ToLower),
	},
	{
		name:   "CStringKeys",
		broken: "Keys end at their first NUL.",
		caught: "Keys",
		open:   withKey(func(key string) string { before, _, _ := strings.Cut(key, "\x00"); return before }),
	},
	{
		name:   "UTF8Keys",
		broken: "What is no UTF-8 in a key is replaced.",
		caught: "Keys",
		open:   withKey(func(key string) string { return strings.ToValidUTF8(key, "\ufffd") }),
	},
	{
		name:   "ComposesKeys",
		broken: "An e with an accent of its own becomes the one character.",
		caught: "Keys",
		open:   withKey(func(key string) string { return strings.ReplaceAll(key, "e\u0301", "é") }),
	},
	{
		name:   "CapsKeys",
		broken: "Keys are cut at 1 KiB.",
		caught: "Keys",
		open:   withKey(func(key string) string { return key[:min(len(key), 1024)] }),
	},
	{
		name:   "RefusesNoKey",
		broken: "A key of no bytes is refused.",
		caught: "Keys",
		open: always(func(ctx context.Context, c call) ([]int64, error) {
			if slices.Contains(c.keys, "") {
				return nil, errors.New("mystore: no key")
			}
			return c.run(ctx)
		}),
	},
	{
		name:   "DedupsKeys",
		broken: "A key that is given twice is sent once.",
		caught: "ManyKeys",
		open: withKeys(func(keys []string) []string {
			seen := map[string]bool{}
			return slices.DeleteFunc(keys, func(key string) bool {
				again := seen[key]
				seen[key] = true
				return again
			})
		}),
	},
	{
		name:   "FirstHundredKeys",
		broken: "Keys beyond the first hundred are dropped.",
		caught: "ManyKeys",
		open:   withKeys(func(keys []string) []string { return keys[:min(len(keys), 100)] }),
	},
	{
		name:   "ReversesKeys",
		broken: "Keys arrive in reverse.",
		caught: "ManyKeys",
		open:   withKeys(func(keys []string) []string { slices.Reverse(keys); return keys }),
	},
	{
		name:   "SortsKeys",
		broken: "Keys are sorted.",
		caught: "ManyKeys",
		open:   withKeys(func(keys []string) []string { slices.Sort(keys); return keys }),
	},
}

// withKeys opens Stores that change the keys of each run. change gets a copy of them.
func withKeys(change func([]string) []string) func(parts) store.Store {
	return always(func(ctx context.Context, c call) ([]int64, error) {
		c.keys = change(slices.Clone(c.keys))
		return c.run(ctx)
	})
}

// withKey opens Stores that change each key.
func withKey(change func(string) string) func(parts) store.Store {
	return withKeys(func(keys []string) []string {
		for i, key := range keys {
			keys[i] = change(key)
		}
		return keys
	})
}
