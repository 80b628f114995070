package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// setting describes the machine and the versions that were measured.
type setting struct {
	date    time.Time
	cpu     string // model
	cores   int
	started bool // whether we started Redis on this machine
	os      string
	goVer   string
	redis   string // version
	modules []module
}

type module struct{ path, version string }

// newSetting asks the machine, Redis and our own binary.
func newSetting(ctx context.Context, a *admin, settings *settings) (setting, error) {
	info, err := a.info(ctx, "server")
	if err != nil {
		return setting{}, err
	}
	s := setting{
		date:    time.Now().UTC(),
		cpu:     cpuModel(),
		cores:   runtime.GOMAXPROCS(0),
		started: settings.redis == "",
		os:      runtime.GOOS + "/" + runtime.GOARCH,
		goVer:   strings.TrimPrefix(runtime.Version(), "go"),
		redis:   serverVersion(info),
	}
	versions := make(map[string]string)
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, m := range build.Deps {
			versions[m.Path] = m.Version
		}
	}
	versions[modulePath] = "this source"
	seen := make(map[string]bool)
	add := func(path string) {
		if path != "" && !seen[path] {
			seen[path] = true
			s.modules = append(s.modules, module{path, orUnknown(versions[path])})
		}
	}
	for _, c := range settings.contestants {
		add(c.module)
	}
	add("github.com/go-chi/httprate")
	add("github.com/redis/go-redis/v9")
	add("github.com/redis/rueidis")
	return s, nil
}

// serverVersion returns the name and version of a server from its INFO. Valkey also
// reports the version of the Redis that it derives from.
func serverVersion(info map[string]string) string {
	if version := info["valkey_version"]; version != "" {
		return "Valkey " + version
	}
	return info["redis_version"]
}

// cpuModel returns the name of the processor if the system tells it.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return orUnknown("")
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return orUnknown("")
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

func (s setting) table() *table {
	t := &table{words: true, header: []string{"what", "which"}}
	t.add("date", s.date.Format(time.DateOnly))
	processor, redis := fmt.Sprintf("%s, %d cores", s.cpu, s.cores), orUnknown(s.redis)
	if s.started {
		processor += ", which Redis and the program share"
	} else {
		redis += ", one that was running, with settings of its own"
	}
	t.add("processor", processor)
	t.add("system", s.os)
	t.add("Go", s.goVer)
	t.add("Redis", redis)
	for _, m := range s.modules {
		t.add("`"+m.path+"`", m.version)
	}
	return t
}
