//go:build !linux

package logs

import "time"

func processorTime() time.Duration { return 0 }
