package follow

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// reports collects what was reported.
type reports struct {
	mu   sync.Mutex
	seen []string
}

func (r *reports) Report(reason, _ string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, reason)
}

// bench is a directory with logs and a source over it, in a life that can end and begin again.
type bench struct {
	t       *testing.T
	dir     string
	options FilesOptions
	source  *Files
	now     time.Time
	got     []string
	bytes   int64
	reports *reports
}

func newBench(t *testing.T, change func(*FilesOptions), patterns ...string) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), reports: &reports{}}
	b.options = FilesOptions{
		Format: Auto, MaxLine: 64 << 10, MaxFiles: 100, FromStart: true, Discover: 10 * time.Second, Linger: 10 * time.Second, Reporter: b.reports,
		Join: Join{Wait: 5 * time.Second},
	}
	for _, p := range patterns {
		b.options.Paths = append(b.options.Paths, filepath.Join(b.dir, p))
	}
	if change != nil {
		change(&b.options)
	}
	b.source = NewFiles(b.options)
	t.Cleanup(func() { b.source.Close() })
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) append(name, text string) {
	b.t.Helper()
	f, err := os.OpenFile(b.path(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		b.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) rename(from, to string) {
	b.t.Helper()
	if err := os.Rename(b.path(from), b.path(to)); err != nil {
		b.t.Fatal(err)
	}
}

// copyTruncate is what logrotate does with that option.
func (b *bench) copyTruncate(from, to string) {
	b.t.Helper()
	content, err := os.ReadFile(b.path(from))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.path(to), content, 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Truncate(b.path(from), 0); err != nil {
		b.t.Fatal(err)
	}
}

// read lets time pass and reads all that there is.
func (b *bench) read(after time.Duration) {
	b.t.Helper()
	b.now = b.now.Add(after)
	for range 1000 {
		if !b.source.Read(b.now, 1<<20, func(r Record) {
			b.got = append(b.got, string(r.Text))
			b.bytes += r.Bytes
		}) {
			return
		}
	}
	b.t.Fatal("it does not come to an end")
}

// want compares what was read since the last want.
func (b *bench) want(lines ...string) {
	b.t.Helper()
	if diff := cmp.Diff(lines, b.got); diff != "" {
		b.t.Errorf("(-want +got):\n%s", diff)
	}
	b.got = nil
}

// live ends the life of the source and begins a new one at its position.
func (b *bench) live() {
	b.t.Helper()
	p, err := b.source.Position()
	if err != nil {
		b.t.Fatal(err)
	}
	b.source.Close()
	b.source = NewFiles(b.options)
	if err := b.source.Restore(p); err != nil {
		b.t.Fatal(err)
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, "app.log")
	b.read(0)
	b.append("app.log", "one\ntwo\nhal")
	b.read(10 * time.Second)
	b.want("one", "two")
	b.append("app.log", "f\r\n\nfour\n")
	b.read(time.Second)
	b.want("half", "", "four")
	if b.bytes != 20 {
		t.Errorf("%d bytes of 20", b.bytes)
	}
	b.append("app.log", "in the middle of a line")
	b.read(time.Second)
	b.live()
	b.append("app.log", " a new life began\n")
	b.read(time.Second)
	b.want("in the middle of a line a new life began")
}

func TestFromEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *FilesOptions) { o.FromStart = false }, "*.log")
	b.append("old.log", "before\n")
	b.read(0)
	b.append("old.log", "after\n")
	b.append("new.log", "all of a new file\n")
	b.read(10 * time.Second)
	slices.Sort(b.got)
	b.want("after", "all of a new file")
	b.live()
	b.append("newer.log", "also of one that came while nobody looked\n")
	b.read(time.Second)
	b.want("also of one that came while nobody looked")
}

// TestRotation: each way of rotating, with what was written between two looks, in one life and across two.
func TestRotation(t *testing.T) {
	t.Parallel()
	rotations := map[string]func(b *bench){
		"rename and create": func(b *bench) {
			b.append("app.log", "b\n")
			b.rename("app.log", "app.log.1")
			b.append("app.log", "c\n")
		},
		"rename, and the writer goes on with the old file": func(b *bench) {
			b.rename("app.log", "app.log.1")
			b.append("app.log.1", "b\n")
			b.append("app.log", "c\n")
		},
		"by date": func(b *bench) {
			b.append("app.log", "b\n")
			b.rename("app.log", "app-20260102.log")
			b.append("app.log", "c\n")
		},
		"twice between two looks": func(b *bench) {
			b.rename("app.log", "app.log.1")
			b.append("app.log", "b\n")
			later(b, "app.log", 1)
			b.rename("app.log.1", "app.log.2")
			b.rename("app.log", "app.log.1")
			b.append("app.log", "c\n")
		},
		"copy and truncate": func(b *bench) {
			b.append("app.log", "b\n")
			b.copyTruncate("app.log", "app.log.1")
			b.append("app.log", "c\n")
		},
		"copy and truncate, and more than before comes after": func(b *bench) {
			b.append("app.log", "b\n")
			b.copyTruncate("app.log", "app.log.1")
			b.append("app.log", "c\n")
		},
	}
	for name, rotate := range rotations {
		for _, lives := range []int{1, 2} {
			for _, pattern := range []string{"app.log", "app*"} {
				t.Run(fmt.Sprintf("%s, %d, %s", name, lives, pattern), func(t *testing.T) {
					t.Parallel()
					b := newBench(t, nil, pattern)
					b.append("app.log", "2026-01-02 the first line of a log\n")
					b.read(0)
					b.want("2026-01-02 the first line of a log")
					if lives == 2 {
						b.live()
					}
					rotate(b)
					b.read(time.Second)
					slices.Sort(b.got)
					b.want("b", "c")
					b.append("app.log", "d\n")
					b.read(time.Minute)
					b.read(time.Minute)
					b.live()
					b.append("app.log", "e\n")
					b.read(time.Minute)
					b.want("d", "e")
					if len(b.reports.seen) > 0 {
						t.Errorf("reported %v", b.reports.seen)
					}
				})
			}
		}
	}
}

// later sets the time of a file behind that of the others: within a tick of the kernel's clock they are the same.
func later(b *bench, name string, seconds int) {
	when := time.Now().Add(time.Duration(seconds) * time.Second)
	if err := os.Chtimes(b.path(name), when, when); err != nil {
		b.t.Fatal(err)
	}
}

// TestNewAndRotated: a log that a pattern did not match before, and that was rotated before the next look, is read with what it became.
func TestNewAndRotated(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, "*.log")
	b.append("old.log.1", "before\n") // of a log that is not there any more
	if err := os.Chtimes(b.path("old.log.1"), time.Time{}, b.now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	b.read(0)
	b.append("app.log", "one\n")
	b.rename("app.log", "app.log.2")
	b.append("app.log", "two\n")
	b.rename("app.log", "app.log.1")
	b.append("app.log", "three\n")
	b.append("old.log", "after\n")
	b.read(10 * time.Second)
	slices.Sort(b.got)
	b.want("after", "one", "three", "two")
	b.read(10 * time.Second)
	b.want()
}

func TestTruncated(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, "app.log")
	b.append("app.log", "one\ntwo")
	b.read(0)
	if err := os.Truncate(b.path("app.log"), 0); err != nil {
		t.Fatal(err)
	}
	b.append("app.log", "new\n")
	b.read(time.Second)
	b.want("one", "two", "new")
}

func TestRemoved(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, "app.log")
	b.append("app.log", "one\n")
	b.read(0)
	b.append("app.log", "two\nthe last has no end")
	if err := os.Remove(b.path("app.log")); err != nil {
		t.Fatal(err)
	}
	b.read(time.Second)
	b.want("one", "two")
	b.read(time.Minute)
	b.want("the last has no end")
	if n := b.source.Open(); n != 0 {
		t.Errorf("%d files are open", n)
	}
	b.append("app.log", "again\n")
	b.read(time.Minute)
	b.want("again")
	b.live()
	if err := os.Remove(b.path("app.log")); err != nil {
		t.Fatal(err)
	}
	b.read(time.Minute)
	if diff := cmp.Diff([]string{ReasonVanished}, b.reports.seen); diff != "" {
		t.Error(diff)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, "logs/*.log", "real/a/0.log")
	for _, d := range []string{"logs", "real/a"} {
		if err := os.MkdirAll(b.path(d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.append("real/a/0.log", "2026-01-01 once, although two names lead here\n")
	if err := errorsOf(os.Symlink(b.path("real/a/0.log"), b.path("logs/a.log")), os.Symlink(b.path("logs/loop.log"), b.path("logs/loop.log"))); err != nil {
		t.Fatal(err)
	}
	b.read(0)
	b.want("2026-01-01 once, although two names lead here")
	b.live()
	b.append("real/a/0.log", "b\n")
	b.rename("real/a/0.log", "real/a/0.log.20260102-030405") // as the kubelet does
	b.append("real/a/0.log", "c\n")
	b.read(time.Minute)
	b.want("b", "c")
	if diff := cmp.Diff([]string{ReasonOpen, ReasonOpen}, b.reports.seen); diff != "" { // the link to itself, once in each life
		t.Error(diff)
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestWhatIsNoLog(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *FilesOptions) { o.Exclude, o.MaxFiles = []string{"secret*"}, 2 }, "*")
	b.append("app.log", "x\n")
	b.append("app.log.1.gz", "\x1f\x8b not read\n")
	b.append("secret.log", "not read\n")
	if err := errorsOf(syscall.Mkfifo(b.path("pipe"), 0o600), os.Mkdir(b.path("sub"), 0o700)); err != nil {
		t.Fatal(err)
	}
	b.read(0)
	b.want("x")
	b.append("b.log", "y\n")
	b.append("c.log", "one too many\n")
	b.read(time.Minute)
	b.want("y")
	slices.Sort(b.reports.seen)
	if diff := cmp.Diff([]string{ReasonNotRegular, ReasonNotRegular, ReasonTooMany}, b.reports.seen); diff != "" {
		t.Error(diff)
	}
}

func TestLongLinesAndZeros(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, "app.log")
	b.append("app.log", "short\n"+strings.Repeat("x", 10<<20)+"\nshort\n"+strings.Repeat("\x00", 1<<20)+"after zeros\n")
	b.read(0)
	if len(b.got) != 4 || len(b.got[1]) != 64<<10 {
		t.Fatalf("%d lines, the long one with %d bytes", len(b.got), len(b.got[1]))
	}
	b.got[1] = "long"
	b.want("short", "long", "short", "after zeros")
	if want := int64(6 + 10<<20 + 1 + 6 + 1<<20 + 12); b.bytes != want {
		t.Errorf("%d bytes of %d", b.bytes, want)
	}
	if cap(b.source.order[0].part) > 256<<10 {
		t.Errorf("%d bytes are held", cap(b.source.order[0].part))
	}
	if diff := cmp.Diff([]string{ReasonCut}, b.reports.seen); diff != "" {
		t.Error(diff)
	}
}

func TestContainers(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	b := newBench(t, nil, "containers/"+id+"/*.log", "pods/*/*/*.log")
	docker, pod := "containers/"+id+"/"+id+"-json.log", "pods/shop_web-1_4711/nginx/0.log"
	for _, f := range []string{docker, pod} {
		if err := os.MkdirAll(filepath.Dir(b.path(f)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.append(docker, `{"log":"a \"quoted\" line\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}`+"\n"+
		`{"log":"a long ","stream":"stderr","time":"2026-01-01T00:00:00Z"}`+"\n"+`{"log":"line\n","stream":"stderr","time":"2026-01-01T00:00:00Z"}`+"\n"+"garbage\n")
	b.append(pod, "2026-01-01T00:00:00.1Z stdout F whole\n2026-01-01T00:00:00.1Z stdout P in \n2026-01-01T00:00:00.1Z stdout F parts\n"+
		"2026-01-01T00:00:00.1Z stdout P begun \n")
	var fields []string
	b.source.Read(b.now, 1<<20, func(r Record) {
		b.got = append(b.got, string(r.Text))
		var f []string
		for _, x := range r.Fields {
			f = append(f, x.Name+"="+x.Value)
		}
		fields = append(fields, strings.Join(f, " "))
	})
	b.live() // in the middle of a message
	b.append(pod, "2026-01-01T00:00:00.1Z stdout F and ended\n")
	b.read(time.Minute)
	b.want(`a "quoted" line`, "a long line", "garbage", "whole", "in parts", "begun and ended")
	inDocker, inPod := "file="+id+"-json.log container=0123456789ab stream=", "file=0.log namespace=shop pod=web-1 container=nginx stream="
	want := []string{inDocker + "stdout", inDocker + "stderr", inDocker, inPod + "stdout", inPod + "stdout"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{ReasonFormat}, b.reports.seen); diff != "" {
		t.Error(diff)
	}
}

// TestRoot: the links of a host whose root is mounted elsewhere are those of that host, also in the middle of a path; they never lead out of it.
func TestRoot(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *FilesOptions) { o.Root = filepath.Dir(o.Paths[0]); o.Paths[0] += "/logs/*/*.log" }, "host")
	b.options.Root += "/host"
	b.source = NewFiles(b.options)
	for _, d := range []string{"host/data/pods/p", "host/var", "outside"} {
		if err := os.MkdirAll(b.path(d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errorsOf(
		os.Symlink("/data/pods", b.path("host/logs")),
		os.Symlink("/var/0.log", b.path("host/data/pods/p/abs.log")),
		os.Symlink("../../../../../../outside/x.log", b.path("host/data/pods/p/out.log")),
	); err != nil {
		t.Fatal(err)
	}
	b.append("host/var/0.log", "a\n")
	b.append("outside/x.log", "not of this host\n")
	b.read(0)
	b.want("a")
	b.live()
	b.append("host/var/0.log", "b\n")
	b.rename("host/var/0.log", "host/var/0.log.20260102-030405")
	b.append("host/var/0.log", "c\n")
	b.read(time.Minute)
	b.want("b", "c")
	b.read(time.Minute)
	b.want()
	if diff := cmp.Diff([]string{ReasonOpen}, b.reports.seen); diff != "" { // the link that leads nowhere within the root, in the second life
		t.Error(diff)
	}
}
