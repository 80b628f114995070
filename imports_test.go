package ratelimit_test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/distributed-rate-limiter/ratelimit"

// mayImport is the import graph of all modules: for each folder, what its packages may import
// besides the standard library, and why no more. Packages under internal/ must be listed like
// all others. Test files may import anything, and examples whatever users may.
var mayImport = map[string]struct {
	imports []string
	reason  string
}{
	"store":                   {nil, "it is the ground floor: whoever writes a store depends on nothing else"},
	"algorithm":               {[]string{"store"}, "the math knows no Redis client; it makes a *store.Script at most"},
	"algorithm/tokenbucket":   {[]string{"algorithm", "internal/bound"}, "an algorithm is a pure function"},
	"algorithm/slidingwindow": {[]string{"algorithm", "internal/bound"}, "an algorithm is a pure function"},
	".":                       {[]string{"algorithm", "store", "internal/deadline", "internal/digest", "internal/hashslot", "internal/waiting"}, "users of the core get no dependency by it"},
	"middleware/httplimit": {[]string{".", "algorithm", "internal/identity", "internal/waiting", "middleware/internal/asking"},
		"it is for net/http alone, and what other servers need of it stands on it"},
	"observe": {[]string{".", "algorithm", "internal/digest", "internal/perlimiter", "internal/spacesaving"}, "observers that need more than the standard library are modules of their own"},
	"observe/prometheus": {[]string{".", "observe", "internal/perlimiter", "github.com/prometheus/client_golang/prometheus"},
		"it collects, and leaves to its users how that is served"},
	"observe/otel": {[]string{".", "algorithm", "observe", "internal/perlimiter", "go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes",
		"go.opentelemetry.io/otel/metric", "go.opentelemetry.io/otel/trace"},
		"it needs OpenTelemetry's API only: which SDK there is, and any global one, is its users' choice"},
	"middleware/fiberlimit": {[]string{".", "internal/identity", "middleware/httplimit", "middleware/internal/route", "github.com/gofiber"},
		"it is httplimit for another server, so it decides and answers nothing by itself"},
	"middleware/internal/asking": {[]string{"."}, "it knows no server"},
	"middleware/internal/route":  {[]string{".", "middleware/httplimit", "middleware/internal/asking"}, "it is what middlewares of frameworks share, so it has none"},
	"middleware/internal/routetest": {[]string{".", "algorithm/tokenbucket", "middleware/httplimit", "store", "store/embedded", "github.com/stretchr/testify"},
		"it is the tests of middlewares of frameworks, so it has none"},
	"middleware/ginlimit": {[]string{".", "internal/identity", "middleware/httplimit", "middleware/internal/route", "github.com/gin-gonic/gin"},
		"a middleware brings its own framework and no other"},
	"middleware/echolimit": {[]string{".", "internal/identity", "middleware/httplimit", "middleware/internal/route", "github.com/labstack/echo/v5"},
		"a middleware brings its own framework and no other"},
	"store/goredis": {[]string{"store", "internal/deadline", "internal/driver", "internal/flights", "internal/hashslot", "internal/wire", "github.com/redis/go-redis/v9"},
		"a driver brings its own client and no other"},
	"store/rueidis": {[]string{"store", "internal/deadline", "internal/driver", "internal/flights", "internal/redisurl", "internal/hashslot", "internal/wire", "github.com/redis/rueidis"},
		"a driver brings its own client and no other"},
	"store/embedded": {[]string{"store", "store/goredis", "github.com/alicebob/miniredis/v2"},
		"only those who ask for the embedded Redis get it"},
	"internal/bound":  {nil, "it is arithmetic"},
	"internal/driver": {[]string{"store", "internal/hashslot", "internal/redisurl"}, "it is what both drivers share, so it has no client"},
	"internal/driver/drivertest": {[]string{"store", "internal/driver", "internal/flights", "internal/redistest", "github.com/stretchr/testify"},
		"it is the drivers' tests, so it has no client"},
	"internal/deadline":     {nil, "it is a context"},
	"internal/digest":       {nil, "it is hashing"},
	"internal/doctable":     {nil, "it compares text"},
	"internal/faults":       {nil, "it has tests only"},
	"internal/flights":      {[]string{"internal/deadline"}, "it is what both drivers share, so it has no client"},
	"internal/hashslot":     {nil, "it is arithmetic"},
	"internal/redisurl":     {nil, "it is parsing"},
	"internal/spacesaving":  {nil, "it is counting"},
	"internal/wire":         {nil, "it is parsing"},
	"internal/perlimiter":   {nil, "it is a map"},
	"internal/waiting":      {[]string{"algorithm"}, "it waits, whatever for"},
	"internal/redistest":    {nil, "tests of any client use it, so it has none"},
	"internal/virtualclock": {[]string{"store"}, "it rewrites a script"},
	"internal/identity":     {nil, "middleware of any server uses it, so it has none"},
	"internal/linearizable": {[]string{"algorithm", "github.com/anishathalye/porcupine"}, "it judges histories, whoever made them"},
	"conformance": {[]string{"store", "algorithm", "algorithm/tokenbucket", "algorithm/slidingwindow", "internal/virtualclock", "internal/linearizable", "pgregory.net/rapid"},
		"whoever writes a store or an algorithm tests it without the limiter, and without a Redis client that they do not use"},
	"middleware/grpclimit": {[]string{".", "algorithm", "middleware/httplimit", "internal/waiting", "google.golang.org/grpc", "google.golang.org/genproto/googleapis/rpc", "google.golang.org/protobuf"},
		"it knows limits and gRPC, and no store or algorithm"},
	"benchmarks": {[]string{".", "algorithm/tokenbucket", "store", "store/goredis", "store/rueidis", "github.com/redis", "github.com/go-redis/redis_rate",
		"github.com/throttled", "github.com/ulule", "github.com/sethvargo", "github.com/go-chi"}, "it names its rivals"},
}

// TestImportGraph checks that every package keeps to mayImport.
func TestImportGraph(t *testing.T) {
	for _, p := range listPackages(t, "work") {
		folder := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if folder == "" {
			folder = "."
		}
		if strings.HasPrefix(folder, "examples/") {
			for _, imported := range p.Imports {
				require.False(t, strings.HasPrefix(imported, module+"/internal/"), "%s imports %s, which no user may", folder, imported)
			}
			continue
		}
		rule, ok := mayImport[folder]
		if !ok {
			t.Errorf("%s is in no rule of mayImport: say what it may import, and why no more", folder)
		}
		for _, imported := range p.Imports {
			if !strings.Contains(strings.Split(imported, "/")[0], ".") {
				continue // the standard library
			}
			if !allowed(rule.imports, imported) {
				t.Errorf("%s imports %s, which it may not: %s", folder, imported, rule.reason)
			}
		}
	}
}

func allowed(imports []string, imported string) bool {
	for _, ok := range imports {
		if strings.Contains(strings.Split(ok, "/")[0], ".") && ok != "." {
			if imported == ok || strings.HasPrefix(imported, ok+"/") {
				return true
			}
		} else if imported == path.Join(module, ok) {
			return true
		}
	}
	return false
}

// TestCoreNeedsStandardLibraryOnly checks that the root package depends, directly or not, on
// nothing but this module and the standard library.
func TestCoreNeedsStandardLibraryOnly(t *testing.T) {
	for _, p := range listPackages(t, "-deps", ".") {
		if !p.Standard {
			require.True(t, p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/"), p.ImportPath)
		}
	}
}

// TestModulesOfTheirOwn checks that the core's go.sum has no module that only the modules of
// middleware, observers and the like require. So users of the core never download those.
func TestModulesOfTheirOwn(t *testing.T) {
	requires := func(file string) map[string]bool {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		found := map[string]bool{}
		for _, match := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(text), -1) {
			found[match[1]] = true
		}
		return found
	}
	own := requires("go.mod")
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	files, err := filepath.Glob("*/*/go.mod")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		theirs := requires(file)
		require.NotEmpty(t, theirs, file)
		for name := range theirs {
			if !own[name] && !strings.HasPrefix(name, module) {
				require.NotContains(t, string(sums), name+" ", "go.sum has what only %s requires", file)
			}
		}
	}
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func listPackages(t *testing.T, args ...string) (all []listed) {
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Standard"}, args...)...).Output()
	require.NoError(t, err)
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			require.NotEmpty(t, all)
			return all
		}
		require.NoError(t, err)
		all = append(all, p)
	}
}
