//go:build !linux

package lokitest

import "syscall"

// endsWithTests: elsewhere a Loki that was started for tests must be ended by hand.
func endsWithTests() *syscall.SysProcAttr { return nil }
