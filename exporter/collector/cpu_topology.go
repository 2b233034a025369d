package collector

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	cpuCoreThrottles    = counter("node_cpu_core_throttles_total", "Number of times this CPU core has been throttled.", "package", "core")
	cpuPackageThrottles = counter("node_cpu_package_throttles_total", "Number of times this CPU package has been throttled.", "package")
	cpuIsolated         = gauge("node_cpu_isolated", "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.", "cpu")
	cpuOnline           = gauge("node_cpu_online", "CPUs that are online and being scheduled.", "cpu")
)

// cpuTopology publishes what sysfs tells of the CPUs beside their times. Which core belongs to which package and which files exist is found once
// and again when the number of CPUs changes, so that a scrape reads only the counters, and reads nothing where there are none.
type cpuTopology struct {
	dir    string
	cpus   int // for how many CPUs the files below were found
	counts []counted
	online []counted
	file   file
}

// counted is a file that holds the value of a series.
type counted struct {
	path string
	s    series
}

func (t *cpuTopology) open(h *Host) { t.dir, t.cpus = h.sys("devices/system/cpu"), -1 }

func (t *cpuTopology) families() []*Family {
	return []*Family{cpuCoreThrottles, cpuPackageThrottles, cpuIsolated, cpuOnline}
}

func (t *cpuTopology) update(ch chan<- prometheus.Metric, cpus int) error {
	if cpus != t.cpus {
		t.find()
		t.cpus = cpus
	}
	for _, list := range [][]counted{t.counts, t.online} {
		for _, c := range list {
			b, err := t.file.readOne(c.path)
			if err != nil {
				continue // the CPU went away a moment ago
			}
			if v, err := parseUint(b); err == nil {
				c.s.send(ch, float64(v))
			}
		}
	}
	if b, err := t.file.readOne(filepath.Join(t.dir, "isolated")); err == nil {
		for _, n := range parseCPUList(string(b)) {
			cpuIsolated.send(ch, 1, strconv.Itoa(n))
		}
	}
	return nil
}

// find looks for the files of every CPU. Threads of one core share its counter, and cores of one package that of the package: the first with a
// readable file stands for all.
func (t *cpuTopology) find() {
	t.counts, t.online = nil, nil
	dirs, _ := filepath.Glob(filepath.Join(t.dir, "cpu[0-9]*"))
	seen := map[[2]string]bool{}
	add := func(id [2]string, path string, s series) {
		if !seen[id] && exists(path) {
			seen[id] = true
			t.counts = append(t.counts, counted{path, s})
		}
	}
	for _, dir := range dirs {
		pkg, core := t.number(filepath.Join(dir, "topology/physical_package_id")), t.number(filepath.Join(dir, "topology/core_id"))
		if pkg == "" || core == "" {
			continue
		}
		add([2]string{pkg, core}, filepath.Join(dir, "thermal_throttle/core_throttle_count"), cpuCoreThrottles.with(pkg, core))
		add([2]string{pkg}, filepath.Join(dir, "thermal_throttle/package_throttle_count"), cpuPackageThrottles.with(pkg))
	}
	// Where the first CPU cannot be taken offline, as on most PCs, node_exporter publishes none.
	if !exists(filepath.Join(t.dir, "cpu0/online")) {
		return
	}
	for _, dir := range dirs {
		n := strings.TrimPrefix(filepath.Base(dir), "cpu")
		t.online = append(t.online, counted{filepath.Join(dir, "online"), cpuOnline.with(n)})
	}
}

func (t *cpuTopology) number(path string) string {
	b, err := t.file.readOne(path)
	if err != nil {
		return ""
	}
	if _, err := parseUint(b); err != nil {
		return ""
	}
	return string(b)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// parseCPUList reads the kernel's list form, "1,3-5". What is not of that form is left out.
func parseCPUList(s string) []int {
	var out []int
	for part := range strings.SplitSeq(strings.TrimSpace(s), ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		if errA != nil || errB != nil || a < 0 || b < a || b >= maxCPUs || len(out)+b-a >= maxCPUs {
			continue
		}
		for n := a; n <= b; n++ {
			out = append(out, n)
		}
	}
	return out
}
