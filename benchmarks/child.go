package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// childFlag makes the program a process of a fleet. The next argument is a childTask in
// JSON. The help does not mention this flag.
const childFlag = "-child"

func isChild(args []string) bool { return len(args) == 2 && args[0] == childFlag }

// childReady is what a child prints once it can begin.
const childReady = "ready\n"

// childTask is what a child has to do.
type childTask struct {
	Addr    string
	Pool    int
	Keys    int
	Time    time.Duration
	Process int // its number
}

// childReport is the result of one measurement by a child.
type childReport struct {
	Decisions, Failed, Wrong int64
	Elapsed, CPU             time.Duration
	Mallocs                  uint64
	Err                      string // the error of a failure, or ""
}

// runChild reports that it is ready. Then it measures once for each line of input, and
// answers each with a line of JSON. It ends when its input does.
func runChild(ctx context.Context, text string, stdin io.Reader, stdout io.Writer) error {
	var task childTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		return fmt.Errorf("%s is %q: %w", childFlag, text, err)
	}
	clients, err := newClients(ctx, task.Addr, task.Pool)
	if err != nil {
		return err
	}
	defer clients.close()
	l := &lab{settings: &settings{time: task.Time}, clients: clients}
	all := identities(task.Keys)
	subject, err := l.openBatched(ctx, all)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(stdout, childReady); err != nil {
		return fmt.Errorf("say that we are ready: %w", err)
	}
	lines := bufio.NewScanner(stdin)
	for round := uint64(1); lines.Scan(); round++ {
		t, err := measure(ctx, nil, subject, load{
			goroutines: growthCallers, pipeline: 1, keys: uniform, identities: all,
			seed: round<<32 + uint64(task.Process), time: task.Time,
		})
		if err != nil {
			return err
		}
		report := childReport{
			Decisions: t.decisions, Failed: t.failed,
			Wrong:   growing.wrong(t.decisions-t.failed, t.allowed, t.elapsed, task.Keys),
			Elapsed: t.elapsed, CPU: t.client.cpu, Mallocs: t.client.mallocs,
		}
		if t.err != nil {
			report.Err = t.err.Error()
		}
		if err := json.NewEncoder(stdout).Encode(report); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return lines.Err()
}
