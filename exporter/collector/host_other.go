//go:build !linux

package collector

import "errors"

var errNotLinux = errors.New("this system call is read on Linux only")

func uname() (Uname, error)            { return Uname{}, errNotLinux }
func adjtimex() (Timex, error)         { return Timex{}, errNotLinux }
func tcpSockets(uint8) ([]byte, error) { return nil, errNotLinux }
func statfs(string) (Usage, error)     { return Usage{}, errNotLinux }
func links() ([]Link, error)           { return nil, errNotLinux }
