package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

// growProcesses measures increasing numbers of processes, as in a fleet, each with its own
// callers and clients.
func (l *lab) growProcesses(ctx context.Context, g *growth, numbers []int) (*growth, error) {
	g.intro = fmt.Sprintf("Processes with %d callers each, of the same namespace; %s identities, all known to Redis, "+
		"drawn evenly. They share one machine with each other and with Redis, so their total throughput says more about "+
		"the machine than about a fleet. That is less so for what a decision costs Redis.", growthCallers, count(int64(l.keys)))
	ctx, cancel := context.WithCancel(ctx)
	var fleets [][]*child
	defer func() {
		cancel() // kills the processes that have not ended by themselves
		for _, c := range slices.Concat(fleets...) {
			_ = c.stdin.Close()
			_ = c.cmd.Wait()
		}
	}()
	return l.grow(ctx, g, numbers, func(p *point) error {
		if err := l.fill(ctx, 0, l.keys, func(int) string { return oursNamespace }); err != nil {
			return err
		}
		fleet, err := l.startFleet(ctx, p.size)
		fleets = append(fleets, fleet)
		return err
	}, func(point, _ int) (sample, error) {
		return l.measureChildren(ctx, fleets[point])
	})
}

// startFleet starts n processes. It returns those that it has started, even if there is an
// error.
func (l *lab) startFleet(ctx context.Context, n int) (fleet []*child, err error) {
	for process := range n {
		c, err := startChild(ctx, childTask{Addr: l.addr(), Pool: l.pool, Keys: l.keys, Time: l.time, Process: process})
		if err != nil {
			return fleet, err
		}
		fleet = append(fleet, c)
	}
	for _, c := range fleet {
		if err := c.ready(); err != nil {
			return fleet, err
		}
	}
	return fleet, nil
}

// measureChildren makes all children measure at once, and adds up their reports.
func (l *lab) measureChildren(ctx context.Context, children []*child) (sample, error) {
	before, err := l.admin.usage(ctx)
	if err != nil {
		return sample{}, err
	}
	for _, c := range children {
		if _, err := io.WriteString(c.stdin, "go\n"); err != nil {
			return sample{}, fmt.Errorf("tell a process to begin: %w", err)
		}
	}
	var sum childReport
	for _, c := range children {
		r, err := c.report()
		if err != nil {
			return sample{}, err
		}
		sum.Decisions += r.Decisions
		sum.Failed += r.Failed
		sum.Wrong += r.Wrong
		sum.CPU += r.CPU
		sum.Mallocs += r.Mallocs
		sum.Elapsed = max(sum.Elapsed, r.Elapsed)
		if sum.Err == "" {
			sum.Err = r.Err
		}
	}
	after, err := l.admin.usage(ctx)
	if err != nil {
		return sample{}, err
	}
	used := after.since(before)
	right := float64(sum.Decisions - sum.Failed - sum.Wrong)
	s := sample{
		perSecond: per(right, sum.Elapsed.Seconds()),
		redisCPU:  per(micros(used.cpu), right),
		clientCPU: per(micros(sum.CPU), right),
		allocs:    per(float64(sum.Mallocs), right),
		bytes:     per(float64(used.bytes), right),
		decisions: sum.Decisions, failed: sum.Failed, wrong: sum.Wrong,
	}
	if sum.Err != "" {
		s.err = errors.New(sum.Err)
	}
	return s, nil
}

// child is a process that measures when told to.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Reader
}

// startChild runs our own binary as a child.
func startChild(ctx context.Context, task childTask) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find our own binary: %w", err)
	}
	text, err := json.Marshal(task)
	if err != nil {
		return nil, fmt.Errorf("encode a process's task: %w", err)
	}
	c := &child{cmd: exec.CommandContext(ctx, self, childFlag, string(text))}
	c.cmd.Stderr = os.Stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	c.lines = bufio.NewReader(stdout)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	return c, nil
}

// ready waits until the child is ready.
func (c *child) ready() error {
	line, err := c.lines.ReadString('\n')
	if err != nil || line != childReady {
		return fmt.Errorf("a process did not get ready: it said %q: %w", line, errors.Join(err, errEnded))
	}
	return nil
}

var errEnded = errors.New("it may have ended")

func (c *child) report() (r childReport, err error) {
	line, err := c.lines.ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("a process did not report: %w", err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("a process reported %q: %w", line, err)
	}
	return r, nil
}

// addr returns the address of Redis.
func (l *lab) addr() string { return l.admin.client.Options().Addr }
