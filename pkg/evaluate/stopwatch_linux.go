package evaluate

import (
	"runtime"
	"syscall"
	"time"
)

// threadUsage is RUSAGE_THREAD of Linux, which package syscall does not name.
const threadUsage = 1

// stopwatch starts to count the processor time of this goroutine, which stays on its thread until the returned function is called.
func stopwatch() func() time.Duration {
	runtime.LockOSThread()
	before, clock := spent(), time.Now()
	return func() time.Duration {
		after := spent()
		runtime.UnlockOSThread()
		if before < 0 || after < 0 {
			return time.Since(clock)
		}
		return after - before
	}
}

func spent() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(threadUsage, &u) != nil {
		return -1
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
