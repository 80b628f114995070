package algorithm_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/algorithm"
	"github.com/distributed-rate-limiter/ratelimit/algorithm/tokenbucket"
)

func TestComposeRefuses(t *testing.T) {
	const must = `: must be a local function, whose "local" is at the beginning of a line`
	bucket := compile(t, tokenbucket.Limit{Rate: 10, Period: time.Second})
	for name, test := range map[string]struct {
		change func(*algorithm.Plan)
		want   string // "" for no error
	}{
		"Nothing": {func(*algorithm.Plan) {}, ""},
		"All":     {func(p *algorithm.Plan) { p.Lua = "" }, "Lua does not define read, write, step" + must},
		"Write": {func(p *algorithm.Plan) {
			p.Lua, p.Plain = "local function read() end\nlocal step = function() end", nil
		}, "Lua does not define write" + must},
		"Indented": {func(p *algorithm.Plan) {
			p.Lua, p.Plain = "local function read() end\nlocal function write() end\n  local function step() end", nil
		}, "Lua does not define step" + must},
		"Global": {func(p *algorithm.Plan) {
			p.Lua, p.Plain = "function read() end\nlocal function write() end\nlocal function step() end", nil
		}, "Lua does not define read" + must},
		"NoPlain": {func(p *algorithm.Plan) {
			p.Lua, p.Plain = "local function read() end\nlocal function write() end\nlocal function step() end", nil
		}, ""},
		"Add": {func(p *algorithm.Plan) {
			p.Lua = "local function read() end\nlocal function write() end\nlocal function step() end"
		}, "Plain is not nil, and Lua does not define add" + must},
		"LeastLimit":    {func(p *algorithm.Plan) { p.Limit = 1 }, ""},
		"NoLimit":       {func(p *algorithm.Plan) { p.Limit = 0 }, "Limit is 0: must be 1 to 2^53"},
		"GreatestLimit": {func(p *algorithm.Plan) { p.Limit = 1 << 53 }, ""},
		"MoreThanExact": {func(p *algorithm.Plan) { p.Limit = 1<<53 + 1 }, "Limit is 9007199254740993: must be 1 to 2^53"},
		"Param":         {func(p *algorithm.Plan) { p.Params = []int64{-1<<53 - 1} }, "Params[0] is -9007199254740993: must be within ±2^53"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := *bucket
			test.change(&plan)
			_, err := algorithm.Compose(&plan)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, "algorithm token_bucket: "+test.want)
		})
	}
}
