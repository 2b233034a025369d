package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/exporter/collector"
)

// BenchmarkScrape is one scrape of this host within the process, without a network. "gzip" is what Prometheus asks for.
func BenchmarkScrape(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	set, err := collector.NewSet(collector.Config{Host: collector.ThisHost(log), Log: log})
	if err != nil {
		b.Fatal(err)
	}
	o, _, err := parse(nil)
	if err != nil {
		b.Fatal(err)
	}
	h, err := newHandler(o, set, log)
	if err != nil {
		b.Fatal(err)
	}
	for _, encoding := range []string{"gzip", "identity"} {
		b.Run(encoding, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
				r.Header.Set("Accept-Encoding", encoding)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}

// BenchmarkBesideNodeExporter scrapes this exporter and Debian's node_exporter, each a process of its own with the same collectors, in turn over HTTP
// as Prometheus does (gzip, one kept connection). It reports for each the wall time and the CPU time of the process for a scrape, and our share:
//
//	go test ./exporter -run xxx -bench BesideNodeExporter -benchtime 2000x
func BenchmarkBesideNodeExporter(b *testing.B) {
	theirURL, theirs := nodeExporter(b)
	binary := filepath.Join(b.TempDir(), name)
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("building the exporter: %v\n%s", err, out)
	}
	ourURL, ours := startProgram(b, binary, shared(b)...)
	var spent [2]struct{ wall, cpu time.Duration }
	programs := []struct {
		url string
		pid int
	}{{ourURL, ours.Process.Pid}, {theirURL, theirs.Process.Pid}}
	for range 50 { // both are warm before it counts
		for _, p := range programs {
			scrapeOnce(b, p.url)
		}
	}
	const block = 50 // scrapes in a row; the clock of CPU time has a grain of 10 ms
	n := 0
	for b.Loop() {
		if n%block == 0 {
			for i, p := range programs {
				cpu, start := cpuTime(b, p.pid), time.Now()
				for range block {
					scrapeOnce(b, p.url)
				}
				spent[i].wall += time.Since(start)
				spent[i].cpu += cpuTime(b, p.pid) - cpu
			}
		}
		n++
	}
	scrapes := float64((n + block - 1) / block * block)
	for i, who := range []string{"ours", "theirs"} {
		b.ReportMetric(spent[i].wall.Seconds()*1e3/scrapes, who+"-wall-ms/scrape")
		b.ReportMetric(spent[i].cpu.Seconds()*1e3/scrapes, who+"-cpu-ms/scrape")
	}
	b.ReportMetric(spent[0].wall.Seconds()/spent[1].wall.Seconds(), "wall-ratio")
	b.ReportMetric(spent[0].cpu.Seconds()/spent[1].cpu.Seconds(), "cpu-ratio")
	b.ReportMetric(0, "ns/op") // of both together: says nothing
}

func scrapeOnce(b *testing.B, url string) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("Accept", "text/plain;version=0.0.4")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n == 0 || resp.StatusCode != http.StatusOK {
		b.Fatalf("%d, %d bytes, %v", resp.StatusCode, n, err)
	}
}

// cpuTime returns the user and system time of a process, proc_pid_stat(5) fields 14 and 15, in hundredths of a second.
func cpuTime(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		b.Fatalf("%v %v in %s", err1, err2, text)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
