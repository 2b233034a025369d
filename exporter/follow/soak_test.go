package follow

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soakLines is how many lines the soak writes; FORESHOCK_SOAK_LINES=100000000 is a long run, which docs/logs-collector.md names.
func soakLines(t *testing.T) uint64 {
	t.Helper()
	v := os.Getenv("FORESHOCK_SOAK_LINES")
	if v == "" {
		return 300_000
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSoak: as many lines as fit, with a rotation after every 50,000, are counted exactly once, and neither memory nor files grow with them.
func TestSoak(t *testing.T) {
	t.Parallel()
	dir, total := t.TempDir(), soakLines(t)
	const part = 50_000
	cmd := startChild(t, dir)
	waitFor(t, filepath.Join(dir, "published"))
	var want tally2
	var early, late, openEarly int
	for rotation := 0; want.Lines < total; rotation++ {
		writePart(t, filepath.Join(dir, "app.log"), part, &want)
		for begin := time.Now(); published(t, dir).Lines+4*part < want.Lines; time.Sleep(time.Millisecond) { // not faster than it is read
			if time.Since(begin) > time.Minute {
				t.Fatalf("%d lines are read of %d", published(t, dir).Lines, want.Lines)
			}
		}
		late = resident(t, cmd.Process.Pid)
		if want.Lines <= max(total/5, 2*part) {
			early, openEarly = late, files(t, cmd.Process.Pid)
		}
		if want.Lines < total {
			if err := os.Rename(filepath.Join(dir, "app.log"), filepath.Join(dir, fmt.Sprintf("app.log.%d", rotation))); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(filepath.Join(dir, fmt.Sprintf("app.log.%d", rotation-8)))
		}
	}
	for begin := time.Now(); published(t, dir).Lines < want.Lines && time.Since(begin) < time.Minute; time.Sleep(5 * time.Millisecond) {
	}
	open := files(t, cmd.Process.Pid)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := published(t, dir); got != want {
		t.Errorf("counted %+v, written %+v", got, want)
	}
	if late > early+16<<20 || open > openEarly+16 {
		t.Errorf("memory grew from %d to %d MiB, open files from %d to %d", early>>20, late>>20, openEarly, open)
	}
	t.Logf("%d lines, %d MiB; resident memory %d MiB after a fifth, %d MiB at the end; %d open files", want.Lines, want.Bytes>>20, early>>20, late>>20, open)
}

func writePart(t *testing.T, path string, n int, want *tally2) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 64<<10)
	for range n {
		want.Lines++
		size, _ := fmt.Fprintf(w, "%012d INFO request took %d ms\n", want.Lines, want.Lines%977)
		want.Bytes += uint64(size)
		want.Sum += want.Lines
		want.Squares += want.Lines * want.Lines
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// resident returns the memory of a process, in bytes.
func resident(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// files returns how many files a process has open.
func files(t *testing.T, pid int) int {
	t.Helper()
	d, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}
