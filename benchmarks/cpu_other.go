//go:build !unix

package main

import "time"

// ownCPU is not known here. The report then has 0 for the client's CPU time.
func ownCPU() time.Duration { return 0 }
