package collector

import (
	"golang.org/x/sys/unix"
)

func uname() (Uname, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Uname{}, err
	}
	s := unix.ByteSliceToString
	return Uname{
		Sysname: s(u.Sysname[:]), Release: s(u.Release[:]), Version: s(u.Version[:]),
		Machine: s(u.Machine[:]), Nodename: s(u.Nodename[:]), Domainname: s(u.Domainname[:]),
	}, nil
}

func statfs(path string) (Usage, error) {
	var b unix.Statfs_t
	for {
		err := unix.Statfs(path, &b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return Usage{}, err
		}
		break
	}
	size := uint64(b.Bsize)
	return Usage{Size: b.Blocks * size, Free: b.Bfree * size, Avail: b.Bavail * size, Files: b.Files, FilesFree: b.Ffree}, nil
}
