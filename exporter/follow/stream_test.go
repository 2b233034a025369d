package follow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hanging is a source like a file on a server that is gone: its read does not come back.
type hanging struct {
	release chan struct{}
	lag     int64
	records int
	panics  bool
}

func (s *hanging) Read(_ time.Time, _ int, take func(Record)) bool {
	if s.release != nil {
		<-s.release
	}
	if s.panics {
		panic("a fault")
	}
	for range s.records {
		take(Record{Text: []byte("000000000001"), Lines: 1, Bytes: 13})
	}
	s.records = 0
	return false
}

func (s *hanging) Lag() int64                         { return s.lag }
func (s *hanging) Open() int                          { return 1 }
func (s *hanging) Close()                             {}
func (s *hanging) Position() (json.RawMessage, error) { return json.RawMessage("1"), nil }
func (s *hanging) Restore(json.RawMessage) error      { return nil }

// counting counts what is thin.
type counting struct {
	tally
	thin, thick int
}

func (h *counting) Take(r Record) {
	if r.Thin {
		h.thin++
	} else {
		h.thick++
	}
}

func newStream(s Source, h Handler, g *Governor, r Reporter) *Stream {
	return &Stream{
		Name: "x", Source: s, Handler: h, Governor: g, Poll: time.Second, Commit: 5 * time.Second, ThinFrom: 1000, Reporter: r,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

// TestHanging: a source that hangs says for how long, and holds up no other.
func TestHanging(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, r := NewGovernor(0.5), &reports{}
		stuck := newStream(&hanging{release: make(chan struct{})}, &tally{}, g, r)
		well := newStream(&hanging{records: 3}, &tally{}, g, r)
		ctx, cancel := context.WithCancel(t.Context())
		go stuck.Run(ctx)
		go well.Run(ctx)
		time.Sleep(time.Minute)
		synctest.Wait()
		if since := time.Since(stuck.Busy()); since < 59*time.Second || since > 61*time.Second {
			t.Errorf("busy for %s", since)
		}
		if !well.Busy().IsZero() || well.Handler.(*tally).saved.Lines != 3 {
			t.Errorf("the other one: busy since %s, %+v", well.Busy(), well.Handler.(*tally).saved)
		}
		cancel()
		close(stuck.Source.(*hanging).release)
		synctest.Wait()
	})
}

// TestSampling: who is too far behind looks at some messages only.
func TestSampling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &counting{}
		s := newStream(&hanging{records: 1000, lag: 9500}, h, NewGovernor(1), &reports{})
		ctx, cancel := context.WithCancel(t.Context())
		go s.Run(ctx)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if h.thick != 100 || h.thin != 900 {
			t.Errorf("%d looked at, %d not", h.thick, h.thin)
		}
		if lag, since := s.Lag(); lag != 9500 || time.Since(since) < 9*time.Second {
			t.Errorf("%d bytes behind since %s", lag, since)
		}
		cancel()
		synctest.Wait()
	})
}

// TestPanic: a fault ends a round, not the program.
func TestPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &reports{}
		s := newStream(&hanging{panics: true}, &tally{}, NewGovernor(1), r)
		ctx, cancel := context.WithCancel(t.Context())
		go s.Run(ctx)
		time.Sleep(1500 * time.Millisecond)
		cancel()
		synctest.Wait()
		if diff := cmp.Diff([]string{ReasonPanic, ReasonPanic}, r.seen); diff != "" {
			t.Error(diff)
		}
	})
}

// TestGovernor: at a share of a quarter, a slice of 100 ms is followed by a rest of 300 ms, for all streams together.
func TestGovernor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, begin, busy := NewGovernor(0.25), time.Now(), time.Duration(0)
		for time.Since(begin) < time.Minute {
			g.Wait(t.Context())
			time.Sleep(100 * time.Millisecond)
			g.Spent(100 * time.Millisecond)
			busy += 100 * time.Millisecond
		}
		if share := float64(busy) / float64(time.Since(begin)); share < 0.24 || share > 0.26 {
			t.Errorf("a share of %v", share)
		}
	})
}

// TestBadState: a state that is broken, of another version or of nobody is put aside, named, and the source begins anew.
func TestBadState(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "x", "foreshock-logs 2 00000000\n{}", "foreshock-logs 9 a3830348\n{}", "foreshock-logs 1 a3830348\n{}"} {
		r, path := &reports{}, filepath.Join(t.TempDir(), "sub", "x.state")
		if err := errorsOf(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s := newStream(&hanging{}, &tally{}, NewGovernor(1), r)
		s.State = path
		s.Run(ctx)
		bad, err := os.ReadFile(path + ".bad")
		if old := strings.HasPrefix(content, "foreshock-logs 1 "); old != errors.Is(err, fs.ErrNotExist) || !old && string(bad) != content {
			t.Errorf("%q: put aside: %q %v; form 1 may hold secrets and must be gone", content, bad, err)
		}
		if len(r.seen) != 1 || r.seen[0] != ReasonState {
			t.Errorf("%q: reported %v", content, r.seen)
		}
		if b, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(b, []byte("foreshock-logs 2 ")) {
			t.Errorf("%q: the new state: %q %v", content, b, err)
		}
	}
	// A directory where nothing can be written: the figures go on, and the trouble has a name.
	r := &reports{}
	s := newStream(&hanging{records: 2}, &tally{}, NewGovernor(1), r)
	s.State = "/proc/no/such/x.state"
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s.Run(ctx)
	if s.Handler.(*tally).saved.Lines != 2 || len(r.seen) < 2 {
		t.Errorf("%+v, reported %v", s.Handler.(*tally).saved, r.seen)
	}
}

// TestSaveAgain: what could not be saved is saved as soon as it can, also when nothing more is logged.
func TestSaveAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, path := &reports{}, filepath.Join(t.TempDir(), "x.state")
		s := newStream(&hanging{records: 3}, &tally{}, NewGovernor(1), r)
		s.State = path
		if err := os.MkdirAll(path+".new", 0o700); err != nil { // nothing can be written there
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go s.Run(ctx)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if _, err := os.Stat(path); err == nil || len(r.seen) < 3 {
			t.Errorf("saved too early: %v, reported %v", err, r.seen)
		}
		if err := os.Remove(path + ".new"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		b, err := os.ReadFile(path)
		var kept state
		if _, body, _ := bytes.Cut(b, []byte("\n")); err != nil || json.Unmarshal(body, &kept) != nil || !bytes.Contains(kept.Handler, []byte(`"Lines":3`)) {
			t.Errorf("saved %q, %v", b, err)
		}
		cancel()
		synctest.Wait()
	})
}

// TestDeniedToOthers runs TestDenied as somebody who may not read all, when this is root.
func TestDeniedToOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("TestDenied itself runs")
	}
	dir := t.TempDir()
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "follow.test") // where nobody may execute it
	if err := errorsOf(os.WriteFile(copied, program, 0o755), os.Chmod(dir, 0o777), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), copied, "-test.run", "^TestDenied$", "-test.v")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestDenied")) {
		t.Errorf("%v\n%s", err, out)
	}
}
