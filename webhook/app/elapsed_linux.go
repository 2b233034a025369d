package app

import (
	"time"

	"golang.org/x/sys/unix"
)

// elapsed is how much time has passed since the machine was started, the time in which it slept included: unlike the wall clock it never
// jumps (clock_gettime(2), CLOCK_BOOTTIME).
func elapsed() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return time.Since(started)
	}
	return time.Duration(ts.Nano())
}

var started = time.Now()
