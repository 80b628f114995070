//go:build unix && !linux

package main

import "syscall"

// ownGroup starts a child in a process group of its own, so that Ctrl-C reaches only us,
// and we stop the child when we no longer need it.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
