package lokitest

import "syscall"

// endsWithTests makes a process end when the one that started it does.
func endsWithTests() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
