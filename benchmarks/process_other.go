//go:build !unix

package main

import "syscall"

// ownGroup asks for nothing.
func ownGroup() *syscall.SysProcAttr { return nil }
