//go:build unix

package redistest

import (
	"fmt"
	"syscall"
	"time"
)

// pause stops the process and returns once it stands still.
func (p *process) pause() error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	const limit = 5 * time.Second
	if !poll(limit, func() bool { return isPaused(p.pid()) }) {
		return fmt.Errorf("process %d did not stop within %v", p.pid(), limit)
	}
	return nil
}

// resume lets the process go on.
func (p *process) resume() error {
	return p.cmd.Process.Signal(syscall.SIGCONT)
}
