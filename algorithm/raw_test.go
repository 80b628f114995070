package algorithm_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

// These scripts write, delete and read a state as it stands in Redis.
var (
	putScript = store.NewScript("put", `
local bytes = {}
for i, b in ipairs(ARGV) do bytes[i] = string.char(tonumber(b)) end
redis.call('SET', KEYS[1], table.concat(bytes))
return {0}`)
	dropScript = store.NewScript("drop", "redis.call('DEL', KEYS[1]) return {0}")
	getScript  = store.NewScript("get", "return {string.byte(redis.call('GET', KEYS[1]) or '', 1, -1)}")
)

func put(t testing.TB, s store.Store, key, text string) {
	script, args := putScript, make([]int64, len(text))
	for i := range args {
		args[i] = int64(text[i])
	}
	if text == "" {
		script = dropScript
	}
	_, err := s.Run(context.Background(), script, []string{key}, args)
	require.NoError(t, err)
}

func get(t testing.TB, s store.Store, key string) string {
	reply, err := s.Run(context.Background(), getScript, []string{key}, nil)
	require.NoError(t, err)
	text := make([]byte, len(reply))
	for i, b := range reply {
		text[i] = byte(b)
	}
	return string(text)
}
