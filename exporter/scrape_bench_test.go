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
	"slices"
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
	// With the GPUs' binding the program is linked to libc, which counts as its memory; node_exporter has no such thing.
	b.Run("gpu", func(b *testing.B) { besideNodeExporter(b, "CGO_ENABLED=1") })
	b.Run("no-gpu", func(b *testing.B) { besideNodeExporter(b, "CGO_ENABLED=0") })
}

// buildExporter builds the program as a release is built.
func buildExporter(b *testing.B, env string) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	cmd.Env = append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("building the exporter: %v\n%s", err, out)
	}
	return binary
}

func besideNodeExporter(b *testing.B, env string) {
	theirURL, theirs := nodeExporter(b)
	ourURL, ours := startProgram(b, buildExporter(b, env), shared(b)...)
	var spent [2]struct{ wall, cpu time.Duration }
	var each [2][]time.Duration
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
					began := time.Now()
					scrapeOnce(b, p.url)
					each[i] = append(each[i], time.Since(began))
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
	var resident, own [2]float64
	for i, who := range []string{"ours", "theirs"} {
		slices.Sort(each[i])
		b.ReportMetric(each[i][len(each[i])*99/100].Seconds()*1e3, who+"-p99-ms")
		resident[i], own[i] = memoryMiB(b, programs[i].pid, "VmRSS:"), memoryMiB(b, programs[i].pid, "RssAnon:")
		b.ReportMetric(resident[i], who+"-rss-MiB")
		b.ReportMetric(own[i], who+"-own-MiB")
	}
	b.ReportMetric(resident[0]/resident[1], "rss-ratio")
	b.ReportMetric(own[0]/own[1], "own-ratio")
	b.ReportMetric(spent[0].wall.Seconds()/spent[1].wall.Seconds(), "wall-ratio")
	b.ReportMetric(spent[0].cpu.Seconds()/spent[1].cpu.Seconds(), "cpu-ratio")
	b.ReportMetric(0, "ns/op") // of both together: says nothing
}

// BenchmarkIdle is what the exporter costs with its default collectors while nobody scrapes, and with a scrape every 15 s, as the share of one core in
// percent over a minute each:
//
//	go test ./exporter -run xxx -bench Idle -benchtime 1x
func BenchmarkIdle(b *testing.B) {
	url, program := startProgram(b, buildExporter(b, "CGO_ENABLED=1"))
	var worst time.Duration
	for range 5 {
		scrapeOnce(b, url)
	}
	for b.Loop() {
		for _, what := range []struct {
			name  string
			every time.Duration
			times int
		}{{"no-scrapes", 60 * time.Second, 0}, {"a-scrape-in-15s", 15 * time.Second, 4}} {
			cpu, began := cpuTime(b, program.Process.Pid), time.Now()
			for range max(what.times, 1) {
				if what.times > 0 {
					start := time.Now()
					scrapeOnce(b, url)
					worst = max(worst, time.Since(start))
				}
				time.Sleep(what.every)
			}
			b.ReportMetric(100*(cpuTime(b, program.Process.Pid)-cpu).Seconds()/time.Since(began).Seconds(), what.name+"-%core")
		}
	}
	b.ReportMetric(worst.Seconds()*1e3, "slowest-ms")
	b.ReportMetric(memoryMiB(b, program.Process.Pid, "VmRSS:"), "rss-MiB")
	b.ReportMetric(0, "ns/op")
}

// memoryMiB returns one line of proc_pid_status(5): VmRSS is the memory that a process has now, RssAnon that part of it which is its own and not pages of
// the program's file.
func memoryMiB(b *testing.B, pid int, line string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if f := strings.Fields(l); len(f) == 3 && f[0] == line {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	b.Fatalf("no %s in the status of process %d", line, pid)
	return 0
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
