package collector

import (
	"log/slog"
	"path/filepath"
	"strings"
	"time"
)

// Host is what collectors see of the machine. The paths differ from their defaults in a container that has the host's file systems mounted
// elsewhere; the functions differ in tests. It is not changed after the collectors are open.
type Host struct {
	Proc string // the procfs mount, by default /proc
	Sys  string // the sysfs mount, by default /sys
	Root string // where the host's root file system is mounted, by default /
	Udev string // the udev data base, by default /run/udev/data

	Now    func() time.Time
	Uname  func() (Uname, error)
	Statfs func(path string) (Usage, error)
	// Timex returns the state of the kernel's clock.
	Timex func() (Timex, error)
	// Links returns the network interfaces from the kernel by netlink.
	Links func() ([]Link, error)
	// TCPSockets returns the kernel's answer, all of it, to a SOCK_DIAG_BY_FAMILY dump of the TCP sockets of an address family.
	TCPSockets func(family uint8) ([]byte, error)
	Log        *slog.Logger
}

// Uname is what the uname system call tells.
type Uname struct{ Sysname, Release, Version, Machine, Nodename, Domainname string }

// Usage is what the statfs system call tells of a file system: sizes in bytes, numbers of file nodes.
type Usage struct{ Size, Free, Avail, Files, FilesFree uint64 }

// Link is one network interface with its counters since the start of the kernel.
type Link struct {
	Name  string
	Stats LinkStats
}

// LinkStats holds the counters of a network interface under the columns of /proc/net/dev. NoHandler counts packets that no protocol wanted;
// /proc/net/dev does not tell it, HasNoHandler says whether it is known.
type LinkStats struct {
	RxBytes, RxPackets, RxErrs, RxDrop, RxFifo, RxFrame, RxCompressed, RxMulticast uint64
	TxBytes, TxPackets, TxErrs, TxDrop, TxFifo, TxColls, TxCarrier, TxCompressed   uint64
	RxNoHandler                                                                    uint64
	HasNoHandler                                                                   bool
}

// ThisHost returns the machine that the program runs on, under the default paths.
func ThisHost(log *slog.Logger) *Host {
	return &Host{
		Proc: "/proc", Sys: "/sys", Root: "/", Udev: "/run/udev/data",
		Now: time.Now, Uname: uname, Statfs: statfs, Links: links, Timex: adjtimex, TCPSockets: tcpSockets, Log: log,
	}
}

func (h *Host) proc(name string) string { return filepath.Join(h.Proc, name) }
func (h *Host) sys(name string) string  { return filepath.Join(h.Sys, name) }
func (h *Host) root(name string) string { return filepath.Join(h.Root, name) }

// hostPath turns a mount point as this process sees it into one as the host sees it: /host/var under the root /host is /var.
func (h *Host) hostPath(mount string) string {
	if h.Root == "/" {
		return mount
	}
	root := strings.TrimSuffix(h.Root, "/")
	rest, ok := strings.CutPrefix(mount, root)
	switch {
	case !ok || (rest != "" && rest[0] != '/'):
		return mount
	case rest == "":
		return "/"
	}
	return rest
}
