//go:build !linux

package evaluate

import "time"

// stopwatch starts to count time by the clock: this system does not tell the processor time of a thread.
func stopwatch() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}
