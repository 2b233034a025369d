//go:build cgo && linux

package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	if os.Getenv(programEnv) != "" { // this is the program of TestGPUDriver
		main()
	}
	script, err := filepath.Abs("testdata/gpus.script")
	if err != nil {
		panic(err)
	}
	os.Setenv("NVML_STUB_SCRIPT", script)
	os.Exit(m.Run())
}

// fixtureHost is the machine under testdata/fixture and testdata/fixture.txtar; what is no file is told by functions. It is called web-1. The function
// that comes with it turns the clock a minute on, with the work of that minute: until then the counters are those before.
func fixtureHost(t *testing.T) (*collector.Host, func()) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/fixture")); err != nil {
		t.Fatal(err)
	}
	unpack(t, "testdata/fixture.txtar", dir)
	unpack(t, "testdata/containers.txtar", dir)
	h := collector.ThisHost(slog.New(slog.DiscardHandler))
	h.Proc, h.Sys, h.Root, h.Udev = filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), filepath.Join(dir, "root"), filepath.Join(dir, "udev")
	serveSystemd(t, filepath.Join(h.Root, "run/dbus/system_bus_socket"), fixtureUnits())
	// A colon cannot be in a file name of a Go module.
	for from, to := range map[string]string{"b8_0": "b8:0", "b259_0": "b259:0", "b253_0": "b253:0"} {
		if err := os.Rename(filepath.Join(h.Udev, from), filepath.Join(h.Udev, to)); err != nil {
			t.Fatal(err)
		}
	}
	var minutes atomic.Int64
	h.Now = func() time.Time {
		return time.Date(2026, 1, 2, 3, 3, 5, 0, time.UTC).Add(time.Duration(minutes.Load()) * time.Minute)
	}
	h.Uname = func() (collector.Uname, error) {
		return collector.Uname{
			Sysname: "Linux", Release: "6.12.0-1-amd64", Version: "#1 SMP PREEMPT_DYNAMIC", Machine: "x86_64", Nodename: "web-1", Domainname: "(none)",
		}, nil
	}
	h.Statfs = func(path string) (collector.Usage, error) {
		const gib = 1 << 30
		if strings.HasSuffix(path, "/srv/gone") {
			return collector.Usage{}, errors.New("transport endpoint is not connected")
		}
		return collector.Usage{Size: 500 * gib, Free: 125 * gib, Avail: 100 * gib, Files: 32768000, FilesFree: 31457280}, nil
	}
	h.Timex = func() (collector.Timex, error) {
		return collector.Timex{
			State: 0, Status: 0x2001, Offset: -184500, Freq: 785449, MaxError: 16500, EstError: 250, Constant: 7, Tick: 10000, TAI: 37,
			PPSFreq: 65536, Jitter: 1200, Stability: 32768, Shift: 4, JitterCount: 5, Calibrations: 6, Errors: 7, StabilityCnt: 8,
		}, nil
	}
	h.TCPSockets = func(family uint8) ([]byte, error) { return socketDump(family), nil }
	// 60 s at 10 Gbit/s: received at 20 % of that, sent at 1 %.
	received := uint64(68210035552 - 60*250_000_000)
	h.Links = func() ([]collector.Link, error) {
		return []collector.Link{
			{Name: "lo", Stats: collector.LinkStats{RxBytes: 435303245, RxPackets: 1832522, TxBytes: 435303245, TxPackets: 1832522, HasNoHandler: true}},
			{Name: "eth0", Stats: collector.LinkStats{
				RxBytes: received, RxPackets: 520993275, RxErrs: 2, RxDrop: 15, RxFifo: 1, RxFrame: 4, RxMulticast: 731, RxNoHandler: 9, HasNoHandler: true,
				TxBytes: 9315587528, TxPackets: 43451486, TxErrs: 3, TxDrop: 5, TxFifo: 6, TxColls: 7, TxCarrier: 8,
			}},
			{Name: "docker0", Stats: collector.LinkStats{RxBytes: 64910168, RxPackets: 1065585, TxBytes: 2681662018, TxPackets: 1929779, HasNoHandler: true}},
		}, nil
	}
	stat := filepath.Join(h.Proc, "stat")
	after, err := os.ReadFile(stat)
	if err != nil {
		t.Fatal(err)
	}
	// In the minute each of the four CPUs worked for 15 s, 6000 ticks: cpu0 had 4500 idle ones less before.
	before := strings.Replace(string(after), "cpu0 1195 96 2260 407650", "cpu0 595 96 1360 403150", 1)
	if before == string(after) {
		t.Fatal("testdata/fixture/proc/stat has changed")
	}
	replace(t, stat, before)
	return h, func() {
		minutes.Add(1)
		received = 68210035552
		replace(t, stat, string(after))
	}
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
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

// dockerDaemon starts a stand-in for Docker's daemon on the fixture host and returns its socket.
func dockerDaemon(t *testing.T, h *collector.Host) string {
	t.Helper()
	const socket = "docker.sock"
	l, err := net.Listen("unix", filepath.Join(h.Root, socket))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containers/json", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(h.Root, "../docker.json"))
	})
	mux.HandleFunc("GET /containers/{id}/json", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(h.Root, "../inspect", filepath.Base(r.PathValue("id"))+".json"))
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return socket
}

// oneNVML is held while a test has NVML open: the binding keeps what it found in the library in variables of the process.
var oneNVML sync.Mutex

// fixtureScrape is what the exporter serves on the fixture host with its two GPUs, with the parts that differ from run to run made the same.
func fixtureScrape(t *testing.T, more ...string) string {
	t.Helper()
	oneNVML.Lock()
	defer oneNVML.Unlock()
	host, aMinuteLater := fixtureHost(t)
	args := []string{
		"--collector.nvml.library=" + gpuLibrary(t), "--collector.cpu.info", "--collector.cpu.info-flags-include=^(aes|avx.*)$",
		"--collector.cpu.info-bugs-include=^spectre", "--collector.textfile.directory=" + filepath.Join(host.Root, "textfile"),
		"--collector.logs.config=testdata/logs.yml",
		"--collector.container.docker-sockets=" + dockerDaemon(t, host), "--collector.container.cri-sockets=",
		"--collector.systemd.enable-task-metrics", "--collector.systemd.enable-restarts-metrics", "--collector.systemd.enable-start-time-metrics",
	}
	for _, n := range collector.Collectors.Names() {
		args = append(args, "--collector."+n) // those that are off by default, too
	}
	if !slices.Contains(more, "--no-web.disable-exporter-metrics") {
		args = append(args, "--web.disable-exporter-metrics")
	}
	args = append(args, more...)
	o, _, err := parse(args)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	set, err := collector.NewSet(collector.Config{Host: host, Log: log, Enabled: o.enabled, Options: o.collectors})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		set.Run(ctx)
	}()
	defer func() {
		stop()
		<-ended
	}()
	h, err := newHandler(o, set, log)
	if err != nil {
		t.Fatal(err)
	}
	scrape := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
		return w
	}
	scrape()
	aMinuteLater()
	w := scrape()
	text := regexp.MustCompile(`(?m)^(node_scrape_collector_duration_seconds\{.*\}) .*$`).ReplaceAllString(w.Body.String(), "$1 0.001")
	text = strings.ReplaceAll(text, host.Root, "/host")
	text = regexp.MustCompile(`(?m)^(node_textfile_mtime_seconds\{.*\}) .*$`).ReplaceAllString(text, "$1 1.7672256e+09")
	text = regexp.MustCompile(`(?m)^(container_(?:creation|start)_time_seconds\{.*\}) .*$`).ReplaceAllString(text, "$1 1.764e+09") // files of the source tree are of any age
	return regexp.MustCompile(`(?m)^(foreshock|node)_exporter_build_info\{.*\}`).ReplaceAllString(text,
		`${1}_exporter_build_info{branch="main",goarch="amd64",goos="linux",goversion="go1.26",revision="0000000",tags="unknown",version="0.1.0"}`)
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
	regexp.MustCompile(`^node_(netstat|sockstat|vmstat)_\w+ metric names should be written in 'snake_case' not 'camelCase'$`),
	regexp.MustCompile(`^node_entropy_\w+ use base unit "bytes" instead of "bits"$`),
	regexp.MustCompile(`^node_power_supply_charge_counter metric name should not include type 'counter'$`),
	regexp.MustCompile(`^node_systemd_socket_refused_connections_total non-counter metrics should not have "_total" suffix$`),
	regexp.MustCompile(`^DCGM_FI_DEV_\w+ label names should be written in 'snake_case' not 'camelCase'$`),
	regexp.MustCompile(`^container_memory_failcnt counter metrics should have "_total" suffix$`), // cAdvisor's name
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

	checkMetrics(t, text)
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
	delete(found, "node_exporter_build_info")
	delete(found, "backup_last_success_timestamp_seconds") // from a file of the textfile collector
	for _, f := range collector.ScrapeFamilies() {
		delete(found, f.Name)
	}
	for _, name := range collector.Collectors.Names() {
		e, err := collector.Collectors.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range e.New().(collector.Describer).Families() {
			if before, after, ok := strings.Cut(f.Name, "<field>"); ok {
				n := len(found)
				maps.DeleteFunc(found, func(name string, _ bool) bool {
					return strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
				})
				if len(found) == n && f.Name != "node_memory_<field>_bytes" && f.Name != "node_memory_<field>" {
					t.Errorf("no family like %s of collector %s is in the scrape of the fixture host", f.Name, name)
				}
				continue
			}
			if !found[f.Name] && f.Name != "node_rapl_joules_total" { // with an option, and without the others then
				t.Errorf("%s of collector %s is not in the scrape of the fixture host", f.Name, name)
			}
			delete(found, f.Name)
		}
	}
	for name := range found {
		t.Errorf("%s is in the scrape and no collector lists it", name)
	}
}

// TestDashboardNames: every metric that Node Exporter Full and the node mixin name is there, or the list says why it is not.
func TestDashboardNames(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("testdata/dashboard_names.txt")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	add := func(text string) {
		for line := range strings.Lines(text) {
			if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
				name, _, _ := strings.Cut(rest, " ")
				found[name] = true
			}
		}
	}
	add(fixtureScrape(t))
	add(fixtureScrape(t, "--no-web.disable-exporter-metrics"))
	names := 0
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		names++
		switch absent := len(fields) == 3; {
		case len(fields) < 2 || len(fields) > 3:
			t.Errorf("line %q: want a name, who names it, and perhaps why it is absent", line)
		case !absent && !found[fields[0]]:
			t.Errorf("%s, named by %s, is not in the scrape of the fixture host", fields[0], fields[1])
		case absent && found[fields[0]]:
			t.Errorf("%s is there; the list says that it is not: %s", fields[0], fields[2])
		}
	}
	if names < 200 {
		t.Errorf("%d names in the list, want those of both", names)
	}
}
