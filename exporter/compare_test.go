package main

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/exporter/collector"
)

// shared are the flags that make both programs collect the same: the collectors of ours that node_exporter has too, and filters that Debian's build
// and today's source agree on.
func shared(t testing.TB) []string {
	t.Helper()
	out := []string{
		"--collector.disable-defaults", "--web.disable-exporter-metrics", "--collector.netdev.device-exclude=^lo$",
		"--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys|mnt|media|var/lib/docker/.+)($|/)",
		`--collector.diskstats.device-exclude=^(z?ram|loop)\d+$`, "--collector.textfile.directory=testdata/textfile", "--collector.netstat.fields=.*",
		"--collector.vmstat.fields=.*", "--collector.cpu.info",
	}
	for _, n := range sharedCollectors(t) {
		out = append(out, "--collector."+n)
	}
	return out
}

// sharedCollectors are the collectors that the installed node_exporter has, too.
func sharedCollectors(t testing.TB) []string {
	t.Helper()
	help, err := exec.Command(tool(t, "prometheus-node-exporter"), "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("asking node_exporter for its flags: %v\n%s", err, help)
	}
	var out []string
	for _, n := range collector.Collectors.Names() {
		if n != "systemd" && regexp.MustCompile(`(?m)^ +--(\[no-\])?collector\.`+n+` `).Match(help) { // no systemd on a machine that runs tests in a container
			out = append(out, n)
		}
	}
	return out
}

// tool finds a program of the distribution.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("FORESHOCK_TEST_OPTIONAL") == "1" {
			t.Skipf("%s is not installed", name)
		}
		t.Fatalf("this test needs %s; install it, or set FORESHOCK_TEST_OPTIONAL=1 to skip", name)
	}
	return path
}

// nodeExporter starts Debian's node_exporter on a free port and returns the address of its metrics and its process.
func nodeExporter(t testing.TB) (string, *exec.Cmd) {
	t.Helper()
	return startProgram(t, tool(t, "prometheus-node-exporter"), shared(t)...)
}

// startProgram starts an exporter on a free port and waits until it answers.
func startProgram(t testing.TB, path string, args ...string) (string, *exec.Cmd) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(path, append(args, "--web.listen-address="+address)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	url := "http://" + address + "/metrics"
	for range 1000 {
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			return url, cmd
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s does not answer at %s", path, url)
	return "", nil
}

func families(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	out, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// newer are labels that node_exporter has got since Debian 12's 1.5.0; ours are those of today.
func newer(family string) []string {
	switch {
	case family == "node_disk_info":
		return []string{"rotational"}
	case family == "node_network_info":
		return []string{"adminstate"}
	case strings.HasPrefix(family, "node_filesystem_"):
		return []string{"device_error"}
	}
	return nil
}

// key writes the labels of a sample without those in drop.
func key(m *dto.Metric, drop []string) string {
	var out []string
	for _, p := range m.GetLabel() {
		if !slices.Contains(drop, p.GetName()) && p.GetValue() != "" { // to Prometheus an empty label is none
			out = append(out, fmt.Sprintf("%s=%q", p.GetName(), p.GetValue()))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

func samples(f *dto.MetricFamily, drop []string) map[string]float64 {
	out := map[string]float64{}
	for _, m := range f.GetMetric() {
		out[key(m, drop)] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue() + m.GetHistogram().GetSampleSum()
	}
	return out
}

// steady are gauges that do not change while a test runs.
var steady = []string{
	"node_boot_time_seconds", "node_memory_MemTotal_bytes", "node_memory_SwapTotal_bytes", "node_memory_HugePages_Total", "node_memory_Hugepagesize_bytes",
	"node_filesystem_size_bytes", "node_filesystem_files", "node_filesystem_readonly", "node_filesystem_device_error", "node_network_mtu_bytes",
	"node_network_flags", "node_network_iface_id", "node_network_speed_bytes", "node_network_transmit_queue_length", "node_network_protocol_type",
	"node_network_up", "node_network_info", "node_uname_info", "node_disk_info", "node_time_zone_offset_seconds", "node_time_clocksource_current_info",
	"node_time_clocksource_available_info", "node_filefd_maximum", "node_entropy_pool_size_bits", "node_nf_conntrack_entries_limit", "node_os_info",
	"node_os_version", "node_processes_max_threads", "node_processes_max_processes", "node_selinux_enabled", "node_timex_tick_seconds", "node_timex_status",
	"node_timex_sync_status", "node_timex_tai_offset_seconds", "node_timex_loop_time_constant", "node_cpu_info", "node_textfile_scrape_error",
	"node_textfile_mtime_seconds", "node_dmi_info", "job_last_success_timestamp_seconds", "job_untyped",
}

// newFamilies are of today's node_exporter, not of Debian 12's.
var newFamilies = []string{
	"node_softnet_backlog_len", "node_softnet_cpu_collision_total", "node_softnet_flow_limit_count_total", "node_softnet_received_rps_total",
	"node_kernel_hung_tasks_total",
}

// rising are families without a type that only go up: those of the kernel's event counters.
var rising = regexp.MustCompile(`^node_(netstat_(Ip|Icmp|Tcp|Udp|TcpExt|IpExt|Ip6|Udp6|Icmp6)_(In|Out|ActiveOpens|PassiveOpens|RetransSegs|NoPorts|TCP)|vmstat_(pg|oom|thp_|compact_))`)

// unstable are families whose series come and go by chance.
var unstable = []string{"node_scrape_collector_duration_seconds", "node_processes_state", "node_processes_threads_state"}

// TestBesideNodeExporter holds ours against Debian's node_exporter on this host: for the same collectors the same families, types, labels and series;
// counters between its values before and after; equal values for what does not change.
func TestBesideNodeExporter(t *testing.T) {
	t.Parallel()
	url, _ := nodeExporter(t)
	o, _, err := parse(shared(t))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	set, err := collector.NewSet(collector.Config{Host: collector.ThisHost(log), Log: log, Enabled: o.enabled, Options: o.collectors})
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHandler(o, set, log)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()

	before := families(t, url)
	ours := families(t, server.URL+"/metrics")
	after := families(t, url)

	var extra []string
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if before[name] == nil && !strings.HasPrefix(name, "foreshock_") {
			extra = append(extra, name)
		}
	}
	// These two are of today's node_exporter.
	extra = slices.DeleteFunc(extra, func(n string) bool {
		return slices.Contains(newFamilies, n) || n == "node_filesystem_mount_info" || n == "node_cpu_online" || n == "node_pressure_irq_stalled_seconds_total"
	})
	if len(extra) > 0 {
		t.Errorf("node_exporter does not have %v", extra)
	}
	compared := 0
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if name == "node_exporter_build_info" || slices.Contains(unstable, name) || !strings.HasPrefix(name, "node_") && !strings.HasPrefix(name, "job_") {
			continue
		}
		got := ours[name]
		if got == nil {
			t.Errorf("%s is missing", name)
			continue
		}
		compareFamily(t, before[name], got, after[name])
		compared++
	}
	t.Logf("%d families compared", compared)
}

func compareFamily(t *testing.T, before, ours, after *dto.MetricFamily) {
	t.Helper()
	name, drop := before.GetName(), []string(nil)
	for _, l := range newer(name) { // a newer node_exporter has the label itself
		if !strings.Contains(key(before.GetMetric()[0], nil), l+"=") {
			drop = append(drop, l)
		}
	}
	if before.GetType() != ours.GetType() {
		t.Errorf("%s: type %s, want %s", name, ours.GetType(), before.GetType())
	}
	if before.GetHelp() != ours.GetHelp() {
		t.Errorf("%s: help %q, want %q", name, ours.GetHelp(), before.GetHelp())
	}
	low, got, high := samples(before, nil), samples(ours, drop), samples(after, nil)
	maps.DeleteFunc(got, func(k string, _ float64) bool { // an interface or disk that comes or goes just now is no difference
		_, there := low[k]
		_, still := high[k]
		return there != still
	})
	maps.DeleteFunc(low, func(k string, _ float64) bool { _, still := high[k]; return !still })
	if diff := cmp.Diff(slices.Sorted(maps.Keys(low)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("%s: series (-node_exporter +ours):\n%s", name, diff)
		return
	}
	for k, v := range got {
		slack := 1e-9 * v // another order of the same division
		if strings.HasPrefix(name, "node_cpu_") {
			slack = 0.05 // the kernel's idle and iowait times go back by a tick or two now and then
		}
		switch {
		case (ours.GetType() == dto.MetricType_COUNTER || rising.MatchString(name)) && (v < low[k]-slack || v > high[k]+slack):
			t.Errorf("%s{%s}: got %v, node_exporter had %v before and %v after", name, k, v, low[k], high[k])
		case slices.Contains(steady, name) && v != low[k]:
			t.Errorf("%s{%s}: got %v, node_exporter has %v", name, k, v, low[k])
		}
	}
}
