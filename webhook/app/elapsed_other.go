//go:build !linux

package app

import "time"

// elapsed is how much time has passed since the program was started; it never jumps.
func elapsed() time.Duration { return time.Since(started) }

var started = time.Now()
