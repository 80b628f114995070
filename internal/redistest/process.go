package redistest

import (
	"os"
	"os/exec"
	"runtime"
)

// process is a program that runs, or that has ended.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended and was waited for
}

// startProcess runs the program at path, its output going to the file output.
func startProcess(path string, args []string, output *os.File) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = output, output
	p.cmd.SysProcAttr = dieWithParent()
	started := make(chan error)
	go func() {
		// To the kernel, the parent is the thread that starts the child, not the process
		// of that thread. So this thread must not end before the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = p.cmd.Wait() // how it ended is in the output
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the process, even if it is paused, and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails only if it has ended by itself
	<-p.done
}
