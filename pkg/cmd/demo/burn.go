package main

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// burnWord as first argument makes this program burn CPU and do nothing else: the fault of the host comes from a process of its own, at the
// lowest priority, so that it takes only what nobody else wants.
const burnWord = "burn-cpu"

// burnCommand is the command that keeps so many cores busy for so long. It ends by itself, also when the demo is gone.
func burnCommand(cores int, length time.Duration) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.Command(self, burnWord, strconv.Itoa(cores), length.String()), nil
}

// burn is what that command does; its arguments come from burnCommand.
func burn(args []string) int {
	if len(args) != 2 {
		return 2
	}
	cores, err := strconv.Atoi(args[0])
	if err != nil || cores < 1 {
		return 2
	}
	length, err := time.ParseDuration(args[1])
	if err != nil {
		return 2
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 19) // it burns at the usual priority then
	runtime.GOMAXPROCS(cores + 1)
	for range cores {
		go func() {
			for x := 1; ; x++ {
				_ = x * x
			}
		}()
	}
	time.Sleep(length)
	return 0
}
