package redisurl

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAccepts(t *testing.T) {
	for _, test := range []struct {
		raw  string
		want Config
	}{
		{"redis://host", Config{Network: "tcp", Addrs: []string{"host:6379"}}},
		{"redis://host/", Config{Network: "tcp", Addrs: []string{"host:6379"}}},
		{"redis://host?", Config{Network: "tcp", Addrs: []string{"host:6379"}}},
		{"REDIS://host", Config{Network: "tcp", Addrs: []string{"host:6379"}}},
		{"redis://host:1", Config{Network: "tcp", Addrs: []string{"host:1"}}},
		{"redis://host:65535/15", Config{Network: "tcp", Addrs: []string{"host:65535"}, DB: 15}},
		{"redis://10.0.0.1:7000", Config{Network: "tcp", Addrs: []string{"10.0.0.1:7000"}}},
		{"redis://[::1]", Config{Network: "tcp", Addrs: []string{"[::1]:6379"}}},
		{"redis://[::1]:7000/3", Config{Network: "tcp", Addrs: []string{"[::1]:7000"}, DB: 3}},
		{"redis://[fe80::1%25eth0]:7000", Config{Network: "tcp", Addrs: []string{"[fe80::1%eth0]:7000"}}},
		{"rediss://host", Config{Network: "tcp", Addrs: []string{"host:6379"}, TLS: true}},
		{"redis://:secret@host", Config{Network: "tcp", Addrs: []string{"host:6379"}, Password: "secret"}},
		{"redis://user:secret@host", Config{Network: "tcp", Addrs: []string{"host:6379"}, Username: "user", Password: "secret"}},
		{"redis://us%3Aer:%2F%3F%23%25%40%3A%20+@host", Config{Network: "tcp", Addrs: []string{"host:6379"}, Username: "us:er", Password: "/?#%@: +"}},
		{"redis://us,er:a,b@host", Config{Network: "tcp", Addrs: []string{"host:6379"}, Username: "us,er", Password: "a,b"}},
		{"redis://user:a:b@c@host", Config{Network: "tcp", Addrs: []string{"host:6379"}, Username: "user", Password: "a:b@c"}},
		{"redis://:@host", Config{Network: "tcp", Addrs: []string{"host:6379"}}},
		{"redis://@host", Config{Network: "tcp", Addrs: []string{"host:6379"}}},
		{"redis://a?addr=b:7001&addr=c&addr=[::1]:7002", Config{Network: "tcp", Addrs: []string{"a:6379", "b:7001", "c:6379", "[::1]:7002"}}},
		{"redis://a/2?addr=b%3A7001", Config{Network: "tcp", Addrs: []string{"a:6379", "b:7001"}, DB: 2}},
		{"unix:///run/redis.sock", Config{Network: "unix", Addrs: []string{"/run/redis.sock"}}},
		{"unix:///run/redis.sock?db=4", Config{Network: "unix", Addrs: []string{"/run/redis.sock"}, DB: 4}},
		{"unix://user:secret@/run/redis.sock", Config{Network: "unix", Addrs: []string{"/run/redis.sock"}, Username: "user", Password: "secret"}},
		{"unix:///run/a%40b%20c.sock", Config{Network: "unix", Addrs: []string{"/run/a@b c.sock"}}},
	} {
		t.Run(test.raw, func(t *testing.T) {
			got, err := Parse(test.raw)
			require.NoError(t, err)
			require.Equal(t, test.want, *got)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct {
		raw  string
		want error
	}{
		{"", errScheme},
		{"host:6379", errScheme},
		{"redis:host", errScheme},
		{"http://host", errScheme},
		{"valkey://host", errScheme},
		{"://host", errScheme},
		{" redis://host", errScheme},
		{"redis://", errHost},
		{"redis:///1", errHost},
		{"redis://:6379", errHost},
		{"redis://:secret@", errHost},
		{"redis://:secret@:6379", errHost},
		{"redis://ho st", errHost},
		{"redis://ho%20st", errHost},
		{"redis://[::1", errHost},
		{"redis://::1", errHost},
		{"redis://[127.0.0.1]", errHost},
		{"redis://host]", errHost},
		{"redis://[::1]7000", errPort},
		{"redis://[::1%zz]", errEscape},
		{"redis://host:", errPort},
		{"redis://host:0", errPort},
		{"redis://host:+1", errPort},
		{"redis://host:65536", errPort},
		{"redis://host:99999999999999999999", errPort},
		{"redis://user:secret", errPort},
		{"redis://a:b:c", errPort},
		{"redis://host/x", errDB},
		{"redis://host/-1", errDB},
		{"redis://host/+1", errDB},
		{"redis://host/1/2", errDB},
		{"redis://host//1", errDB},
		{"redis://host/%31", errDB},
		{"redis://host/99999999999", errDB},
		{"redis://user@host", errUserOnly},
		{"redis://user:@host", errUserOnly},
		{"redis://:se%cret@host", errEscape},
		{"redis://u%ser:secret@host", errEscape},
		{"redis://:se/cret@host", errSpecial},
		{"redis://:se?cret@host", errSpecial},
		{"redis://:se cret@host", errSpecial},
		{"redis://:se\ncret@host", errSpecial},
		{"redis://:se#cret@host", errFragment},
		{"redis://host#1", errFragment},
		{"redis://host?db=1", errParamTCP},
		{"redis://host?addr", errParamTCP},
		{"redis://host?addr=a&", errParamTCP},
		{"redis://host?addr=%zz", errEscape},
		{"redis://host?addr=", errHost},
		{"redis://host?addr=a:b", errPort},
		{"redis://a,b:6379", errSeveral},
		{"redis://a:6379,b:6379", errSeveral},
		{"redis://a:6379,b:6379/1", errSeveral},
		{"redis://:secret@a,b", errSeveral},
		{"redis://[::1]:6379,[::2]:6379", errSeveral},
		{"redis://,", errSeveral},
		{"redis://host?addr=a,b:6379", errSeveral},
		{"redis://host?addr=a%2Cb:6379", errSeveral},
		{"redis://host?addr=a:b:c", errPort},
		{"redis://host?read_timeout=3s", errParamTCP},
		{"unix://", errSocket},
		{"unix:///", errSocket},
		{"unix://run/redis.sock", errSocket},
		{"unix://user:secret@run/redis.sock", errSocket},
		{"unix:///run/%zz", errEscape},
		{"unix:///run/a@b.sock", errSpecial},
		{"unix:///run/redis.sock?db=x", errDB},
		{"unix:///run/redis.sock?db=1&db=2", errParamUnix},
		{"unix:///run/redis.sock?addr=a", errParamUnix},
		{"unix://user@/run/redis.sock", errUserOnly},
	} {
		t.Run(test.raw, func(t *testing.T) {
			_, err := Parse(test.raw)
			require.ErrorIs(t, err, test.want)
		})
	}
}

func TestConfigHidesPassword(t *testing.T) {
	for _, raw := range []string{
		"redis://user:hunter2@host:7000/3?addr=b:1&addr=c:2",
		"rediss://:hunter2@host",
		"unix://user:hunter2@/run/redis.sock?db=2",
	} {
		c, err := Parse(raw)
		require.NoError(t, err)
		inside := struct{ C Config }{*c}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			for _, v := range []any{c, *c, inside, &inside} {
				require.NotContains(t, fmt.Sprintf(verb, v), "hunter2", verb)
			}
		}
	}
}

func TestConfigString(t *testing.T) {
	for raw, want := range map[string]string{
		"redis://us%40er:hunter2@host:7000/3?addr=b:1&addr=c:2": "redis://us%40er:xxxxx@host:7000/3?addr=b:1&addr=c:2",
		"rediss://host": "rediss://host:6379",
		"unix://user:hunter2@/run/redis.sock?db=2": "unix://user:xxxxx@/run/redis.sock?db=2",
	} {
		c, err := Parse(raw)
		require.NoError(t, err)
		require.Equal(t, want, c.String())
		require.Equal(t, want, fmt.Sprintf("%#v", c))
		require.Equal(t, want, fmt.Sprint(c))
	}
	require.Equal(t, "redis://", Config{}.String())
}
