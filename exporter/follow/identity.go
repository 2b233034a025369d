package follow

import (
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// fileID is a file whatever its name. Numbers of deleted files are given to new ones, so an opening goes with it.
type fileID struct {
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

func idOf(info fs.FileInfo) fileID {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fileID{Dev: uint64(st.Dev), Ino: st.Ino} //nolint:unconvert // 32 bits on some platforms
	}
	return fileID{}
}

// maxOpening is how many bytes an opening covers: enough for two files of one program to differ by a time of day behind a constant banner.
const maxOpening = 1024

// opening is a hash of the first N bytes of a file.
type opening struct {
	N   int    `json:"n"`
	Sum uint64 `json:"sum"`
}

func sum(b []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(b) // never fails
	return h.Sum64()
}

// of reports whether a file begins as the opening says, and returns the opening of all that the file has by now.
func (p opening) of(f io.ReaderAt) (same bool, now opening, err error) {
	var head [maxOpening]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return false, p, err
	}
	if n < p.N || sum(head[:p.N]) != p.Sum {
		return false, opening{n, sum(head[:n])}, nil
	}
	return true, opening{n, sum(head[:n])}, nil
}

// noOpening is the opening of an empty file: any file begins like that.
var noOpening = opening{0, sum(nil)}

// openRegular opens a file to read. A pipe or a device is not opened: reading it would take from its reader, or hang.
func openRegular(path string) (*os.File, fs.FileInfo, string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		if os.IsPermission(err) {
			return nil, nil, ReasonDenied, err
		}
		return nil, nil, ReasonOpen, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		return f, info, "", nil
	}
	_ = f.Close() // only read
	if err != nil {
		return nil, nil, ReasonOpen, err
	}
	return nil, nil, ReasonNotRegular, errNotRegular
}
