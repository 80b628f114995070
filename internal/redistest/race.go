//go:build race

package redistest

func init() { Race = true }
