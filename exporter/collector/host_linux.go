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

func adjtimex() (Timex, error) {
	var t unix.Timex // no mode bits: it is only asked
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return Timex{}, err
	}
	//nolint:unconvert // these are of 32 bits on a machine of 32 bits
	return Timex{
		State: state, Status: t.Status, Shift: t.Shift, TAI: t.Tai,
		Offset: int64(t.Offset), Freq: int64(t.Freq), MaxError: int64(t.Maxerror), EstError: int64(t.Esterror), Constant: int64(t.Constant),
		Tick: int64(t.Tick), PPSFreq: int64(t.Ppsfreq), Jitter: int64(t.Jitter), Stability: int64(t.Stabil),
		JitterCount: int64(t.Jitcnt), Calibrations: int64(t.Calcnt), Errors: int64(t.Errcnt), StabilityCnt: int64(t.Stbcnt),
	}, nil
}
