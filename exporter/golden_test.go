//go:build cgo && linux

package main

import (
	"errors"
	"flag"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/foreshock/foreshock/exporter/collector"
)

var update = flag.Bool("update", false, "rewrite testdata/golden")

const golden = "testdata/golden/scrape.prom"

// TestMain points the stand-in for NVIDIA's library at its script: C code reads the environment of the process.
func TestMain(m *testing.M) {
	script, err := filepath.Abs("testdata/gpus.script")
	if err != nil {
		panic(err)
	}
	os.Setenv("NVML_STUB_SCRIPT", script)
	os.Exit(m.Run())
}

// fixtureHost is the machine under testdata/fixture; what is no file is told by functions. It is called web-1.
func fixtureHost(t *testing.T) *collector.Host {
	t.Helper()
	h := collector.ThisHost(slog.New(slog.DiscardHandler))
	h.Proc, h.Sys, h.Root, h.Udev = "testdata/fixture/proc", "testdata/fixture/sys", "/", t.TempDir()
	// A colon cannot be in a file name of a Go module.
	for from, to := range map[string]string{"b8_0": "b8:0", "b259_0": "b259:0", "b253_0": "b253:0"} {
		b, err := os.ReadFile(filepath.Join("testdata/fixture/udev", from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(h.Udev, to), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.Now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	h.Uname = func() (collector.Uname, error) {
		return collector.Uname{
			Sysname: "Linux", Release: "6.12.0-1-amd64", Version: "#1 SMP PREEMPT_DYNAMIC", Machine: "x86_64", Nodename: "web-1", Domainname: "(none)",
		}, nil
	}
	h.Statfs = func(path string) (collector.Usage, error) {
		const gib = 1 << 30
		if path == "/srv/gone" {
			return collector.Usage{}, errors.New("transport endpoint is not connected")
		}
		return collector.Usage{Size: 500 * gib, Free: 125 * gib, Avail: 100 * gib, Files: 32768000, FilesFree: 31457280}, nil
	}
	h.Links = func() ([]collector.Link, error) {
		return []collector.Link{
			{Name: "lo", Stats: collector.LinkStats{RxBytes: 435303245, RxPackets: 1832522, TxBytes: 435303245, TxPackets: 1832522, HasNoHandler: true}},
			{Name: "eth0", Stats: collector.LinkStats{
				RxBytes: 68210035552, RxPackets: 520993275, RxErrs: 2, RxDrop: 15, RxFifo: 1, RxFrame: 4, RxMulticast: 731, RxNoHandler: 9, HasNoHandler: true,
				TxBytes: 9315587528, TxPackets: 43451486, TxErrs: 3, TxDrop: 5, TxFifo: 6, TxColls: 7, TxCarrier: 8,
			}},
			{Name: "docker0", Stats: collector.LinkStats{RxBytes: 64910168, RxPackets: 1065585, TxBytes: 2681662018, TxPackets: 1929779, HasNoHandler: true}},
		}, nil
	}
	return h
}

// gpuLibrary builds the stand-in for NVIDIA's library.
func gpuLibrary(t *testing.T) string {
	t.Helper()
	header, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml").Output()
	if err != nil {
		t.Fatalf("looking for the folder of nvml.h: %v", err)
	}
	library := filepath.Join(t.TempDir(), "libnvidia-ml.so.1")
	args := []string{"-shared", "-fPIC", "-Wno-deprecated-declarations", "-I", filepath.Join(strings.TrimSpace(string(header)), "pkg", "nvml")}
	if out, err := exec.Command("gcc", append(args, "-o", library, "nvml/testdata/stub.c")...).CombinedOutput(); err != nil {
		t.Fatalf("building the stand-in for libnvidia-ml.so.1 with gcc: %v\n%s", err, out)
	}
	return library
}

// fixtureScrape is what the exporter serves on the fixture host with its two GPUs, with the parts that differ from run to run made the same.
func fixtureScrape(t *testing.T, more ...string) string {
	t.Helper()
	args := append([]string{"--web.disable-exporter-metrics", "--collector.nvml.library=" + gpuLibrary(t)}, more...)
	o, _, err := parse(args)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	set, err := collector.NewSet(collector.Config{Host: fixtureHost(t), Log: log, Enabled: o.enabled, Options: o.collectors})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	h, err := newHandler(o, set, log)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	text := regexp.MustCompile(`(?m)^(node_scrape_collector_duration_seconds\{.*\}) .*$`).ReplaceAllString(w.Body.String(), "$1 0.001")
	return regexp.MustCompile(`(?m)^foreshock_exporter_build_info\{.*\}`).ReplaceAllString(text,
		`foreshock_exporter_build_info{branch="main",goarch="amd64",goos="linux",goversion="go1.26",revision="0000000",tags="unknown",version="0.1.0"}`)
}

// TestGolden: the whole scrape of the fixture host. The file is read by the tests of the dashboards, too.
func TestGolden(t *testing.T) {
	t.Parallel()
	got := fixtureScrape(t)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the scrape differs from %s (-want +got); after a wanted change: go test ./exporter -run TestGolden -update\n%s", golden, diff)
	}
}

// TestProcNetDev: /proc/net/dev tells the same as netlink but for one counter.
func TestProcNetDev(t *testing.T) {
	t.Parallel()
	pick := func(text string) []string {
		return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
			return !strings.HasPrefix(line, "node_network_receive") && !strings.HasPrefix(line, "node_network_transmit") || strings.Contains(line, "nohandler")
		})
	}
	if diff := cmp.Diff(pick(fixtureScrape(t)), pick(fixtureScrape(t, "--no-collector.netdev.netlink"))); diff != "" {
		t.Errorf("(-netlink +file):\n%s", diff)
	}
}

// lintAllowed says which names the linter may object to: they are those of node_exporter and of dcgm-exporter. Nothing of our own is among them.
var lintAllowed = []*regexp.Regexp{
	regexp.MustCompile(`^node_memory_\w+ metric names should be written in 'snake_case' not 'camelCase'$`),
	regexp.MustCompile(`^DCGM_FI_DEV_\w+ label names should be written in 'snake_case' not 'camelCase'$`),
	regexp.MustCompile(`^DCGM_FI_DEV_\w+ counter metrics should have "_total" suffix$`),
	regexp.MustCompile(`^DCGM_FI_DEV_\w+ metric name should not include type 'counter'$`),
	regexp.MustCompile(`^DCGM_FI_DEV_\w+ metric names should not contain abbreviated units$`),
}

func TestLint(t *testing.T) {
	t.Parallel()
	text := fixtureScrape(t)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.Metric+" "+p.Text)
	}
	reportLint(t, "promlint", lines)

	promtool := tool(t, "promtool")
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) { // 3: there are objections
		t.Fatalf("promtool check metrics: %v\n%s", err, out)
	}
	reportLint(t, "promtool", strings.Split(strings.TrimSpace(string(out)), "\n"))
}

func reportLint(t *testing.T, who string, lines []string) {
	t.Helper()
	for _, line := range lines {
		if line != "" && !slices.ContainsFunc(lintAllowed, func(re *regexp.Regexp) bool { return re.MatchString(line) }) {
			t.Errorf("%s: %s", who, line)
		}
	}
}

// TestGoldenIsComplete: every family that a collector lists is in the golden scrape, so that a dashboard may use it, and nothing else is.
func TestGoldenIsComplete(t *testing.T) {
	t.Parallel()
	text := fixtureScrape(t)
	found := map[string]bool{}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ := strings.Cut(rest, " ")
			found[name] = true
		}
	}
	delete(found, "foreshock_exporter_build_info")
	for _, f := range collector.ScrapeFamilies() {
		delete(found, f.Name)
	}
	for _, name := range collector.Collectors.Names() {
		e, err := collector.Collectors.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range e.New().(collector.Describer).Families() {
			if strings.Contains(f.Name, "<field>") {
				maps.DeleteFunc(found, func(name string, _ bool) bool { return strings.HasPrefix(name, "node_memory_") })
				continue
			}
			if !found[f.Name] {
				t.Errorf("%s of collector %s is not in the scrape of the fixture host", f.Name, name)
			}
			delete(found, f.Name)
		}
	}
	for name := range found {
		t.Errorf("%s is in the scrape and no collector lists it", name)
	}
}
