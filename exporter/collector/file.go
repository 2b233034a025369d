package collector

import (
	"fmt"
	"io/fs"
	"syscall"
)

// maxFile bounds what is read of one file. /proc/stat of a host with thousands of interrupts on hundreds of cores is about 100 kB.
const maxFile = 16 << 20

// file is a reusable buffer for files of procfs and sysfs. They are small, have no true size, and are read on every scrape, so this goes past
// os.File with its poller and finalizer: three system calls a file.
type file struct{ buf []byte }

// read returns the content of the file, valid until the next read. The error is an *fs.PathError.
func (f *file) read(path string) ([]byte, error) {
	fd, err := open(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = syscall.Close(fd) }() // nothing was written
	if f.buf == nil {
		f.buf = make([]byte, 4096)
	}
	n := 0
	for {
		if n == len(f.buf) {
			if n >= maxFile {
				return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d bytes", maxFile)}
			}
			f.buf = append(f.buf, make([]byte, len(f.buf))...)
		}
		got, err := syscall.Read(fd, f.buf[n:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if got <= 0 {
			return f.buf[:n], nil
		}
		n += got
	}
}

// readOne returns the content of a one-value file of sysfs without its end of line. One read call is enough there: the kernel gives the whole
// value at once.
func (f *file) readOne(path string) ([]byte, error) {
	fd, err := open(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = syscall.Close(fd) }() // nothing was written
	if f.buf == nil {
		f.buf = make([]byte, 4096)
	}
	for {
		n, err := syscall.Read(fd, f.buf)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		return trimSpace(f.buf[:max(n, 0)]), nil
	}
}

func open(path string) (int, error) {
	for {
		fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != syscall.EINTR {
			return fd, err
		}
	}
}
