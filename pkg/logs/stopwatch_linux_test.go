package logs

import (
	"syscall"
	"time"
)

// processorTime is what the process used: on a busy machine the wall clock says little.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
