package collector

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/registry"
)

// emptyHost is a machine without any file, for a test to add some.
func emptyHost(t *testing.T) *Host {
	t.Helper()
	h, dir := ThisHost(quiet()), t.TempDir()
	h.Proc, h.Sys, h.Root = filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), filepath.Join(dir, "root")
	for _, d := range []string{h.Proc, h.Sys, h.Root} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// logged opens one collector; the text is what it logs.
func logged(t *testing.T, h *Host, name string, options map[string]string) (*Set, *strings.Builder) {
	t.Helper()
	log := &strings.Builder{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	host := *h
	s, err := NewSet(Config{Host: &host, Log: logger, Enabled: []string{name}, Options: map[string]registry.Decode{name: registry.FromStrings(options)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, log
}

func scrapeOf(t *testing.T, h *Host, name string, decode map[string]string) map[string]float64 {
	t.Helper()
	s, log := logged(t, h, name, decode)
	got := values(t, s, time.Minute)
	delete(got, "stuck_seconds{collector="+name+"}")
	if t.Failed() {
		t.Log(log.String())
	}
	return got
}

// TestAbsent: on a machine without a single file every collector says that there is nothing, or fails with a sentence; none panics or hangs.
func TestAbsent(t *testing.T) {
	t.Parallel()
	for _, name := range hostNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := emptyHost(t)
			s, log := logged(t, h, name, nil)
			values(t, s, time.Minute)
			got := values(t, s, time.Minute)
			if strings.Contains(log.String(), "panic") || strings.Count(log.String(), "\n") > 1 {
				t.Errorf("want at most one line for two scrapes:\n%s", log.String())
			}
			delete(got, "success{collector="+name+"}")
			for k, v := range got {
				if v == 0 { // no process, no SELinux
					delete(got, k)
				}
			}
			if len(got) != 0 {
				t.Errorf("something is read from outside of --path.procfs, --path.sysfs and --path.rootfs: %v", got)
			}
		})
	}
}

// hostNames are the collectors that read nothing but the files of the host.
func hostNames() []string {
	return []string{
		"arp", "bonding", "conntrack", "cpu", "cpufreq", "diskstats", "dmi", "edac", "entropy", "filefd", "filesystem", "hwmon", "infiniband", "interrupts", "ipvs", "kernel_hung",
		"loadavg", "mdadm", "meminfo", "netclass", "netstat", "nfs", "nfsd", "nvme", "os", "powersupplyclass", "pressure", "processes", "rapl", "schedstat", "selinux", "sockstat",
		"softirqs", "softnet", "stat", "systemd", "thermal_zone", "udp_queues", "vmstat", "watchdog",
	}
}

// TestBroken: files that hold garbage, are empty, or are a directory where a file should be cost their collector and name the reason once.
func TestBroken(t *testing.T) {
	t.Parallel()
	files := []string{
		"proc/stat", "proc/meminfo", "proc/loadavg", "proc/vmstat", "proc/diskstats", "proc/1/mountinfo", "proc/schedstat", "proc/softirqs", "proc/interrupts", "proc/mdstat",
		"proc/cpuinfo", "proc/pressure/cpu", "proc/net/arp", "proc/net/netstat", "proc/net/snmp", "proc/net/snmp6", "proc/net/sockstat", "proc/net/softnet_stat",
		"proc/net/stat/nf_conntrack", "proc/net/udp", "proc/net/ip_vs", "proc/net/ip_vs_stats", "proc/net/rpc/nfs", "proc/net/rpc/nfsd", "proc/sys/fs/file-nr",
		"proc/sys/kernel/threads-max", "proc/sys/kernel/pid_max", "proc/sys/kernel/random/entropy_avail", "proc/sys/kernel/hung_task_detect_count", "proc/1/stat",
		"proc/sys/net/netfilter/nf_conntrack_count", "proc/sys/net/netfilter/nf_conntrack_max", "sys/class/net/bonding_masters", "sys/class/net/b/bonding/slaves",
		"sys/class/hwmon/hwmon0/name", "sys/class/hwmon/hwmon0/temp1_input", "sys/class/thermal/thermal_zone0/temp", "sys/class/powercap/z/name", "sys/class/powercap/z/energy_uj",
		"sys/class/power_supply/B/online", "sys/class/watchdog/watchdog0/timeout", "sys/devices/system/edac/mc/mc0/ce_count", "sys/fs/selinux/enforce",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "sys/block/md0/md/level", "sys/class/infiniband/i/ports/1/state", "sys/class/nvme/nvme0/model", "sys/class/nvme/nvme0/nvme0n1/size",
		"sys/class/nvme/nvme0/nvme0n1/queue/logical_block_size", "root/etc/os-release",
	}
	for what, content := range map[string]string{
		"garbage": "\x00\xff\xfe\x80 garbage \xc3\x28\n\x7fELF\x01:: - \n", "empty": "", "huge": strings.Repeat("9", 5000) + ": " + strings.Repeat("9 ", 5000), "directory": "/",
	} {
		h := emptyHost(t)
		for _, f := range files {
			path := filepath.Join(filepath.Dir(h.Proc), f)
			if content != "/" {
				write(t, path, content)
			} else if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range hostNames() {
			t.Run(what+"/"+name, func(t *testing.T) {
				t.Parallel()
				s, log := logged(t, h, name, nil)
				values(t, s, time.Minute)
				values(t, s, time.Minute)
				if strings.Contains(log.String(), "panic") || strings.Count(log.String(), "\n") > 1 {
					t.Errorf("want at most one line for two scrapes:\n%s", log.String())
				}
			})
		}
	}
}

// TestProcessesVanish: a process that has ended since it was listed, and one whose threads are gone, are not counted and are no error.
func TestProcessesVanish(t *testing.T) {
	t.Parallel()
	h := emptyHost(t)
	write(t, h.Proc+"/sys/kernel/threads-max", "100\n")
	write(t, h.Proc+"/sys/kernel/pid_max", "200\n")
	line := " (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 "
	write(t, h.Proc+"/10/stat", "10"+line+"1 0\n")
	if err := os.Mkdir(h.Proc+"/11", 0o755); err != nil { // ended: the file is not there any more
		t.Fatal(err)
	}
	write(t, h.Proc+"/12/stat", "12"+line+"3 0\n")
	write(t, h.Proc+"/12/task/12/stat", "12"+line+"3 0\n")
	if err := os.MkdirAll(h.Proc+"/12/task/13", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, h.Proc+"/99x/stat", "not a process")
	if err := os.Remove(h.Proc + "/99x/stat"); err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"node_processes_pids{}": 2, "node_processes_threads{}": 4, "node_processes_max_threads{}": 100, "node_processes_max_processes{}": 200,
		"node_processes_state{state=S}": 2, "node_processes_threads_state{thread_state=S}": 2, "success{collector=processes}": 1,
	}
	if diff := cmp.Diff(want, scrapeOf(t, h, "processes", nil)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	delete(want, "node_processes_threads_state{thread_state=S}")
	if diff := cmp.Diff(want, scrapeOf(t, h, "processes", map[string]string{"threads": "false"})); diff != "" {
		t.Errorf("without threads (-want +got):\n%s", diff)
	}
}

// TestRaplZoneLabel: the option turns the families into one.
func TestRaplZoneLabel(t *testing.T) {
	t.Parallel()
	h := emptyHost(t)
	for dir, name := range map[string]string{"a": "package-1", "b": "dram", "c": "dram"} {
		write(t, h.Sys+"/class/powercap/"+dir+"/name", name+"\n")
		write(t, h.Sys+"/class/powercap/"+dir+"/energy_uj", "2500000\n")
	}
	want := map[string]float64{
		"node_rapl_joules_total{index=1,path=/sys/class/powercap/a,rapl_zone=package}": 2.5, "node_rapl_joules_total{index=0,path=/sys/class/powercap/b,rapl_zone=dram}": 2.5,
		"node_rapl_joules_total{index=1,path=/sys/class/powercap/c,rapl_zone=dram}": 2.5, "success{collector=rapl}": 1,
	}
	if diff := cmp.Diff(want, scrapeOf(t, h, "rapl", map[string]string{"enable_zone_label": "true"})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSameChip: two drivers for one device are told apart by their names, and by their numbers when those are the same, too.
func TestSameChip(t *testing.T) {
	t.Parallel()
	h := emptyHost(t)
	if err := os.MkdirAll(h.Sys+"/devices/platform/board.0", 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, name := range map[string]string{"hwmon0": "fans", "hwmon1": "volts", "hwmon2": "volts"} {
		write(t, h.Sys+"/class/hwmon/"+dir+"/name", name+"\n")
		write(t, h.Sys+"/class/hwmon/"+dir+"/temp1_input", "1000\n")
		if err := os.Symlink("../../../devices/platform/board.0", h.Sys+"/class/hwmon/"+dir+"/device"); err != nil {
			t.Fatal(err)
		}
	}
	got := scrapeOf(t, h, "hwmon", nil)
	for _, chip := range []string{"platform_board_0_fans", "platform_board_0_hwmon1", "platform_board_0_hwmon2"} {
		if got["node_hwmon_temp_celsius{chip="+chip+",sensor=temp1}"] != 1 {
			t.Errorf("no temperature of %s in %v", chip, got)
		}
	}
}

func TestSplitSensor(t *testing.T) {
	t.Parallel()
	type part struct {
		Kind     string
		Number   int
		Property string
	}
	for name, want := range map[string]part{
		"temp1_input": {"temp", 1, "input"}, "temp12_crit_alarm": {"temp", 12, "crit_alarm"}, "pwm1": {"pwm", 1, ""}, "update_interval": {"update_interval", 0, ""},
		"pwm1_auto_point1_pwm": {"pwm", 1, "auto_point1_pwm"}, "power_state": {"power_state", 0, ""},
	} {
		kind, number, property, ok := splitSensor(name)
		if diff := cmp.Diff(want, part{kind, number, property}); diff != "" || !ok {
			t.Errorf("%s: %v (-want +got):\n%s", name, ok, diff)
		}
	}
	for _, name := range []string{"", "1temp", "temp1input", "temp1_", "temp99999999999999999999_input"} {
		if kind, number, property, ok := splitSensor(name); ok {
			t.Errorf("%q: got %s %d %s, want that it is no sensor", name, kind, number, property)
		}
	}
}
