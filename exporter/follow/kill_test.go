package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// tally is a handler that knows exactly which numbered lines it got: a line that is missing or doubled changes the sums.
type tally struct {
	Lines, Bytes, Sum, Squares, Bad uint64
	saved                           tally2
	file                            string
}

type tally2 struct{ Lines, Bytes, Sum, Squares, Bad uint64 }

func (h *tally) Take(r Record) {
	n, err := strconv.ParseUint(string(r.Text[:min(len(r.Text), 12)]), 10, 64)
	if err != nil {
		h.Bad++
	}
	h.Lines += uint64(r.Lines)
	h.Bytes += uint64(r.Bytes)
	h.Sum += n
	h.Squares += n * n
}

func (h *tally) Tick(time.Time) bool { return false }

func (h *tally) Save() ([]byte, error) {
	h.saved = tally2{h.Lines, h.Bytes, h.Sum, h.Squares, h.Bad}
	return json.Marshal(h.saved)
}

func (h *tally) Load(b []byte) error {
	if err := json.Unmarshal(b, &h.saved); err != nil {
		return err
	}
	h.Lines, h.Bytes, h.Sum, h.Squares, h.Bad = h.saved.Lines, h.saved.Bytes, h.saved.Sum, h.saved.Squares, h.saved.Bad
	return nil
}

// Publish writes what a scrape would see.
func (h *tally) Publish(time.Time) {
	if b, err := json.Marshal(h.saved); err == nil && h.file != "" {
		_ = os.WriteFile(h.file+".tmp", b, 0o600)
		_ = os.Rename(h.file+".tmp", h.file)
	}
}

const childEnv = "FORESHOCK_FOLLOW_CHILD"

// TestMain is also the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

func child(dir string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	r := &reports{}
	s := Stream{
		Name: "app", Handler: &tally{file: filepath.Join(dir, "published")}, State: filepath.Join(dir, "state"), Governor: NewGovernor(1),
		Poll: 5 * time.Millisecond, Commit: 20 * time.Millisecond, Reporter: r, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Source: NewFiles(FilesOptions{
			Paths: []string{filepath.Join(dir, "app.log")}, Format: Plain, MaxLine: 1 << 16, MaxFiles: 10_000, FromStart: true,
			Discover: time.Second, Linger: 200 * time.Millisecond, Reporter: r,
		}),
	}
	s.Run(ctx)
	for _, x := range r.seen {
		fmt.Println("reported", x)
	}
}

// kills is how often the process is killed; FORESHOCK_KILLS=100 is the long run that docs/logs.md names.
func kills(t *testing.T) int {
	if v := os.Getenv("FORESHOCK_KILLS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 8
}

// TestKill: a process that follows a log which is written and rotated all the time is killed again and again. At the end it has counted each line
// exactly once, and what it published never went back.
func TestKill(t *testing.T) {
	t.Parallel()
	dir, r := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	done, written := make(chan struct{}), make(chan tally2, 1)
	start := startChild(t, dir)
	waitFor(t, filepath.Join(dir, "published")) // it knows the path before the first rotation
	go func() { written <- write(dir, done) }()
	var last tally2
	n := kills(t)
	for i := range n {
		time.Sleep(time.Duration(20+r.IntN(150)) * time.Millisecond)
		_ = start.Process.Kill()
		_ = start.Wait() // it was killed
		last = grown(t, dir, last, i)
		start = startChild(t, dir)
	}
	close(done)
	want := <-written
	for begin := time.Now(); published(t, dir).Lines < want.Lines && time.Since(begin) < time.Minute; {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // for lines that come twice
	_ = start.Process.Signal(syscall.SIGTERM)
	if err := start.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := published(t, dir); got != want {
		t.Errorf("after %d kills: counted %+v, written %+v", n, got, want)
	}
	t.Logf("%d lines, %d bytes, %d kills", want.Lines, want.Bytes, n)
}

func startChild(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func waitFor(t *testing.T, path string) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	t.Fatal("the process does not publish")
}

func published(t *testing.T, dir string) (p tally2) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "published"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func grown(t *testing.T, dir string, last tally2, i int) tally2 {
	t.Helper()
	p := published(t, dir)
	if p.Lines < last.Lines || p.Bytes < last.Bytes || p.Bad > 0 {
		t.Errorf("kill %d: published %+v after %+v", i, p, last)
	}
	return p
}

// write writes numbered lines and rotates as logrotate does, keeping many, until done.
func write(dir string, done <-chan struct{}) (want tally2) {
	r, path := rand.New(rand.NewPCG(3, 4)), filepath.Join(dir, "app.log")
	number, rotation := uint64(0), 0
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			panic(err)
		}
		for range 1 + r.IntN(20) {
			var b []byte
			for range r.IntN(200) {
				number++
				b = fmt.Appendf(b, "%012d%*s\n", number, r.IntN(100), "")
				want.Lines++
				want.Sum += number
				want.Squares += number * number
			}
			want.Bytes += uint64(len(b))
			half := r.IntN(len(b) + 1)
			_, _ = f.Write(b[:half]) // a reader sees half a line
			time.Sleep(time.Millisecond)
			_, _ = f.Write(b[half:])
		}
		_ = f.Close()
		select {
		case <-done:
			return want
		default:
		}
		rotation++
		if err := os.Rename(path, fmt.Sprintf("%s-%08d", path, rotation)); err != nil {
			panic(err)
		}
		_ = os.Remove(fmt.Sprintf("%s-%08d", path, rotation-500)) // half a minute old
	}
}
