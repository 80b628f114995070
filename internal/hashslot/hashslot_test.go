package hashslot

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/redistest"
)

func TestOf(t *testing.T) {
	// The check value of CRC-16/XMODEM.
	require.Equal(t, uint16(0x31c3), crc16("123456789"))
	for key, want := range map[string]uint16{
		"": 0, "foo": 12182, "bar": 5061, "{foo}bar": 12182, "bar{foo}": 12182, "{foo}{bar}": 12182,
		"123456789": 0x31c3 % Count,
	} {
		require.Equal(t, want, Of(key), key)
	}
	require.Equal(t, Of("{user1000}.following"), Of("{user1000}.followers"))
	require.Equal(t, crc16("foo{}{bar}")%Count, Of("foo{}{bar}"))
	require.Equal(t, Of("{bar"), Of("foo{{bar}}zap"))
}

func TestPartition(t *testing.T) {
	for _, key := range []string{"", "foo", "{foo}bar", "123456789"} {
		require.Equal(t, Of(key), OfPartition(Partition(key)), key)
	}
	require.EqualValues(t, Count-1, OfPartition(1<<64-1))
}

func TestSame(t *testing.T) {
	require.True(t, Same(nil))
	require.True(t, Same([]string{"a"}))
	require.True(t, Same([]string{"{a}1", "{a}2", "a"}))
	require.False(t, Same([]string{"a", "b"}))
	require.False(t, Same([]string{"{a}", "{a}", "{b}"}))
}

// TestOfAgainstRedis compares the slots of odd keys with what Redis says.
func TestOfAgainstRedis(t *testing.T) {
	server := redistest.Start(t, "--cluster-enabled", "yes")
	for _, key := range []string{
		"a", "{", "}", "{}", "}{", "{}x", "}x{y}", "a{b}c{d}e", "{{a}}", "{a", "a}", " ", "\r\n", "\x00", "\xff\xfe{\xff}",
		"日本{語}", strings.Repeat("x", 10_000),
	} {
		require.Equal(t, fmt.Sprint(server.MustDo(t, "CLUSTER", "KEYSLOT", key)), fmt.Sprint(Of(key)), "%q", key)
	}
}
