// Package promtest starts real Prometheus servers for tests: Debian's Prometheus (2.42, the oldest supported) and
// VictoriaMetrics, each on a free loopback port with its own temporary directory, ended with the test.
//
//	server := promtest.Start(t)
//	server.Write(t, series.Series{Labels: …, Grid: grid, Values: values}) // any times, in any order; NaN = no sample
//	client, err := prom.New(prom.Options{URL: server.URL})
//
// What was written is visible when Write returns. A missing program fails the test with a sentence; with
// FORESHOCK_TEST_OPTIONAL=1 in the environment the test is skipped instead.
package promtest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a running server.
type Server struct {
	URL     string // http://127.0.0.1:port, without a slash at the end
	Program string // "prometheus" or "victoria-metrics"

	process *exec.Cmd
	log     *tail
	exited  chan struct{}
	stop    func() // of a server that is no process of ours
}

// Wrap makes a Server of one that the test runs itself, such as an embedded Prometheus with a remote-write receiver.
func Wrap(url string, stop func()) *Server {
	return &Server{URL: url, Program: "prometheus", stop: stop}
}

// Options of a Prometheus; the zero value is what Start uses.
type Options struct {
	Config string   // added to the configuration file, which holds a `storage` section only: no scraping, no rules
	Args   []string // added to the command line, e.g. "--storage.tsdb.retention.time=15d"
}

// Start runs Prometheus: remote-write receiver on, samples accepted in any order up to ten years back, nothing scraped, so
// that only what a test writes is there.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartWith(t, Options{})
}

// StartWith is Start with options.
func StartWith(t testing.TB, o Options) *Server {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := "storage: {tsdb: {out_of_order_time_window: 3650d}}\n" + o.Config
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0",
		"--web.enable-remote-write-receiver", "--web.enable-admin-api", "--web.enable-lifecycle",
	}
	if !strings.Contains(strings.Join(o.Args, " "), "retention") {
		args = append(args, "--storage.tsdb.retention.time=20y")
	}
	s := run(t, "prometheus", append(args, o.Args...))
	s.URL = "http://" + s.listening(t, regexp.MustCompile(`msg="Listening on".* address=(127\.0\.0\.1:\d+)`))
	s.await(t, "/-/ready")
	return s
}

// StartVictoria runs a single-node VictoriaMetrics without caches, so that what was written last is what is read. args are
// added to its command line.
func StartVictoria(t testing.TB, args ...string) *Server {
	t.Helper()
	address := freeAddress(t) // it does not tell which port it took
	s := run(t, "victoria-metrics", append([]string{
		"-storageDataPath=" + filepath.Join(t.TempDir(), "data"), "-httpListenAddr=" + address, "-retentionPeriod=20y",
		"-search.latencyOffset=0s", "-search.disableCache", "-memory.allowedBytes=256MiB",
	}, args...))
	s.URL = "http://" + address
	s.await(t, "/health")
	return s
}

// Stop ends the server now instead of at the end of the test, to see what a client makes of it.
func (s *Server) Stop() {
	if s.stop != nil {
		s.stop()
		return
	}
	s.process.Process.Kill()
	<-s.exited
}

// freeAddress is one that was free a moment ago.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run starts a program whose output is kept for error messages, and kills it when the test ends.
func run(t testing.TB, program string, args []string) *Server {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		text := fmt.Sprintf("this test needs the program %s, which is not installed (Debian package %s)", program, program)
		if os.Getenv("FORESHOCK_TEST_OPTIONAL") == "1" {
			t.Skip(text)
		}
		t.Fatal(text)
	}
	s := &Server{Program: program, process: exec.Command(path, args...), log: newTail(), exited: make(chan struct{})}
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves nothing behind
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.process.Stdout, s.process.Stderr = writer, writer
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	read := make(chan struct{})
	go func() { defer close(read); defer reader.Close(); s.log.follow(reader) }()
	go func() { s.process.Wait(); <-read; close(s.exited) }()
	t.Cleanup(s.Stop)
	return s
}

// listening waits for the log line that tells the address.
func (s *Server) listening(t testing.TB, line *regexp.Regexp) string {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		changed := s.log.changed()
		if m := line.FindStringSubmatch(s.log.String()); m != nil {
			return m[1]
		}
		select {
		case <-changed:
		case <-s.exited:
			t.Fatalf("%s ended at its start:\n%s", s.Program, s.log)
		case <-deadline:
			t.Fatalf("%s did not listen within a minute:\n%s", s.Program, s.log)
		}
	}
}

// await polls a health page until it answers 200.
func (s *Server) await(t testing.TB, path string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		resp, err := http.Get(s.URL + path)
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-s.exited:
			t.Fatalf("%s ended at its start:\n%s", s.Program, s.log)
		case <-deadline:
			t.Fatalf("%s was not ready within a minute:\n%s", s.Program, s.log)
		}
	}
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
	news  chan struct{}
}

const tailLines = 200

func newTail() *tail { return &tail{news: make(chan struct{})} }

func (l *tail) follow(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		l.mu.Lock()
		l.lines = append(l.lines, lines.Text())
		l.lines = l.lines[max(0, len(l.lines)-tailLines):]
		close(l.news)
		l.news = make(chan struct{})
		l.mu.Unlock()
	}
	io.Copy(io.Discard, r) // after a line too long: never block the program
}

func (l *tail) changed() <-chan struct{} { l.mu.Lock(); defer l.mu.Unlock(); return l.news }

func (l *tail) String() string { l.mu.Lock(); defer l.mu.Unlock(); return strings.Join(l.lines, "\n") }
