package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// logConfig needs nothing outside.
const logConfig = "store: {sqlite: w.db}\nchannels: {log: {type: log, level: debug}}\n"

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// peak is the most memory that the process ever held, in bytes; ok is false where the system does not tell.
func (p *process) peak(t *testing.T) int64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Skipf("this system does not tell the peak of memory: %v", err)
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if rest, ok := strings.CutPrefix(in.Text(), "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmHWM in /proc")
	return 0
}

// flow is a body made while it is sent, so that the test itself needs no memory.
func flow(write func(w io.Writer)) io.Reader {
	r, w := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(w, 64<<10)
		write(b)
		_ = b.Flush()
		_ = w.Close()
	}()
	return r
}

func repeat(w io.Writer, text string, n int) {
	for range n {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
	}
}

// kilo is 1 KiB of prose.
var kilo = strings.Repeat("abcdefgh", 128)

// hugeBodies are bodies that no sender should send; each says what becomes of it.
var hugeBodies = []struct {
	name   string
	zip    bool
	code   int
	alerts int // new ones
	write  func(w io.Writer)
}{
	{"an annotation of 64 MB", false, 200, 1, func(w io.Writer) {
		repeat(w, `{"alerts":[{"status":"firing","labels":{"alertname":"long"},"annotations":{"description":"`, 1)
		repeat(w, kilo, 64<<10)
		repeat(w, `"}}]}`, 1)
	}},
	{"64 MB of annotations", false, 200, 1, func(w io.Writer) {
		repeat(w, `{"alerts":[{"status":"firing","labels":{"alertname":"many"},"annotations":{"first":"x"`, 1)
		for i := range 64 << 10 {
			fmt.Fprintf(w, `,"a%d":"%s"`, i, kilo)
		}
		repeat(w, `}}]}`, 1)
	}},
	{"an unknown field 10,000 deep, and an annotation too", false, 200, 1, func(w io.Writer) {
		repeat(w, `{"x":`, 1)
		repeat(w, `[`, 10_000)
		repeat(w, `]`, 10_000)
		repeat(w, `,"alerts":[{"status":"firing","labels":{"alertname":"deep"},"annotations":{"a":`, 1)
		repeat(w, `{"a":`, 10_000)
		repeat(w, `1`, 1)
		repeat(w, `}`, 10_000)
		repeat(w, `}}]}`, 1)
	}},
	{"nothing but 10,000 brackets", false, 400, 0, func(w io.Writer) { repeat(w, `[`, 10_000) }},
	{"20,000 alerts", false, 200, 20_000, func(w io.Writer) {
		repeat(w, `{"version":"4","alerts":[`, 1)
		for i := range 20_000 {
			if i > 0 {
				repeat(w, ",", 1)
			}
			fmt.Fprintf(w, `{"status":"firing","labels":{"alertname":"Storm","instance":"host-%d","job":"node","severity":"info","region":"eu-1","team":"infra"},"annotations":{"summary":"host %d is down"},"startsAt":"2026-11-20T11:00:00Z","generatorURL":"http://prometheus:9090/graph"}`, i, i)
		}
		repeat(w, `]}`, 1)
	}},
	{"200 MB of prose in 1 MB of gzip", true, 200, 1, func(w io.Writer) {
		repeat(w, `{"alerts":[{"status":"firing","labels":{"alertname":"packed"},"annotations":{"description":"`, 1)
		repeat(w, kilo, 200<<10)
		repeat(w, `"}}]}`, 1)
	}},
	{"a bomb of 2 GB of labels", true, 503, 0, func(w io.Writer) {
		repeat(w, `{"alerts":[{"status":"firing","labels":{"alertname":"`, 1)
		repeat(w, kilo, 2<<20)
		repeat(w, `"}}]}`, 1)
	}},
}

// Bodies of absurd size are answered as documented, in bounded memory, and no alert is lost.
func TestHugeBodiesNeedBoundedMemory(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	// The memory of one delivery is bounded low, so that the bomb shows it.
	p := launch(t, addr, writeConfig(t, logConfig+"limits: {memory: 134217728}\n"))
	want := 0
	for _, tt := range hugeBodies {
		body := flow(tt.write)
		if tt.zip {
			body = flow(func(w io.Writer) {
				z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
				if err == nil {
					b := bufio.NewWriterSize(z, 1<<20)
					tt.write(b)
					_ = b.Flush()
					_ = z.Close()
				}
			})
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/api/v1/alerts", body)
		if err != nil {
			t.Fatal(err)
		}
		if tt.zip {
			req.Header.Set("Content-Encoding", "gzip")
		}
		began := time.Now()
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			if tt.code == 503 { // the program hung up on a body that it does not read on
				t.Logf("%s: %v", tt.name, err)
				continue
			}
			t.Fatalf("%s: %v", tt.name, err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != tt.code {
			t.Errorf("%s: %d %s, want %d", tt.name, res.StatusCode, text, tt.code)
		}
		want += tt.alerts
		t.Logf("%s: %d after %v, peak of memory so far %d MB", tt.name, res.StatusCode, time.Since(began).Round(time.Millisecond), p.peak(t)>>20)
	}
	if got := counted(t, addr); got != want {
		t.Errorf("%d alerts fire, want %d", got, want)
	}
	// The bomb alone is 2 GB when it is unpacked, and 64 MB of JSON read as a tree is a gigabyte and more.
	if got := p.peak(t) >> 20; got > 1024 {
		t.Errorf("the peak of memory is %d MB, want at most 1024", got)
	}
}

func counted(t *testing.T, addr string) int {
	t.Helper()
	res, err := http.Get("http://" + addr + "/api/v1/counts")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var counts struct{ Firing int }
	if err := json.NewDecoder(res.Body).Decode(&counts); err != nil {
		t.Fatal(err)
	}
	return counts.Firing
}

// A thousand clients that trickle their headers or bodies do not keep a good one out.
func TestSlowClientsDoNotBlock(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	p := launch(t, addr, writeConfig(t, logConfig))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for i := range 1000 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		text := "POST /api/v1/alerts HTTP/1.1\r\nHost: x\r\n"
		if i%2 == 0 {
			text += "Content-Length: 100000000\r\n\r\n{"
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for tick := time.NewTicker(500 * time.Millisecond); ; {
				select {
				case <-ctx.Done():
					tick.Stop()
					return
				case <-tick.C:
					if _, err := io.WriteString(c, " "); err != nil {
						tick.Stop()
						return
					}
				}
			}
		})
	}
	var took []time.Duration
	for i := range 50 {
		began := time.Now()
		body := fmt.Sprintf(`{"alerts":[{"status":"firing","labels":{"alertname":"A%d"}}]}`, i)
		res, err := http.Post("http://"+addr+"/api/v1/alerts", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("a good delivery was answered %d", res.StatusCode)
		}
		took = append(took, time.Since(began))
	}
	if got := counted(t, addr); got != 50 {
		t.Errorf("%d alerts fire, want 50", got)
	}
	t.Logf("good deliveries beside 1,000 slow clients: p50 %s, p99 %s; peak of memory %d MB", quantile(took, .5), quantile(took, .99), p.peak(t)>>20)
}
