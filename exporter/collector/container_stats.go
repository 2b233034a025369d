package collector

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
)

// containerStats is what the kernel tells of one group. A value that it does not tell is NaN.
type containerStats struct {
	values  [containerValueCount]float64
	devices []deviceIO
	pids    []int // some of its processes, for its network name space
}

// deviceIO is what a group read from and wrote to one device, by fsFamilies.
type deviceIO struct {
	major, minor uint64
	values       [len(fsFamilies)]uint64
}

const (
	ctrBytesRead = iota
	ctrBytesWritten
	ctrReads
	ctrWrites
)

// maxDevices bounds the devices of one group.
const maxDevices = 64

func newContainerStats() *containerStats {
	s := &containerStats{}
	for i := range s.values {
		s.values[i] = math.NaN()
	}
	return s
}

// groupReader reads the files of groups.
type cgroupReader struct {
	trees   cgroupTrees
	meminfo string // where the memory of the whole host is told
	file    file
}

// read returns what the kernel tells of a group, nil when the group is gone.
func (r *cgroupReader) read(g cgroup) *containerStats {
	s := newContainerStats()
	var main string
	if r.trees.isV2() {
		main = filepath.Join(r.trees.unified, g.path)
		r.readV2(main, s)
		r.readPressure(main, s)
	} else {
		main = r.readV1(g.path, s)
		if r.trees.unified != "" {
			r.readPressure(filepath.Join(r.trees.unified, g.path), s)
		}
	}
	if main == "" || !exists(main) { // it went while it was read: half of a container is none
		return nil
	}
	if g.kind == rootGroup {
		r.readHostMemory(s)
	} else {
		r.readProcesses(main, s)
	}
	return s
}

// readV2 reads the files of version 2 (Documentation/admin-guide/cgroup-v2.rst).
func (r *cgroupReader) readV2(dir string, s *containerStats) {
	v := &s.values
	r.pairs(dir, "cpu.stat", func(key string, n float64) {
		switch key {
		case "usage_usec":
			v[ctrCPUUsage] = n / 1e6
		case "user_usec":
			v[ctrCPUUser] = n / 1e6
		case "system_usec":
			v[ctrCPUSystem] = n / 1e6
		case "nr_periods":
			v[ctrCFSPeriods] = n
		case "nr_throttled":
			v[ctrCFSThrottledPeriods] = n
		case "throttled_usec":
			v[ctrCFSThrottled] = n / 1e6
		case "nr_bursts":
			v[ctrCFSBurstPeriods] = n
		case "burst_usec":
			v[ctrCFSBurst] = n / 1e6
		}
	})
	v[ctrMemoryUsage] = r.number(dir, "memory.current")
	v[ctrMemoryMax] = r.number(dir, "memory.peak")
	v[ctrMemorySwap] = r.number(dir, "memory.swap.current")
	r.pairs(dir, "memory.stat", func(key string, n float64) {
		if at, ok := memoryStatV2[key]; ok {
			v[at] = n
		}
	})
	v[ctrMemoryFaultsBelow], v[ctrMemoryMajorFaultsBelow] = v[ctrMemoryFaults], v[ctrMemoryMajorFaults]
	r.pairs(dir, "memory.events", func(key string, n float64) {
		switch key {
		case "high":
			v[ctrMemoryHighEvents] = n
		case "max":
			v[ctrMemoryMaxEvents], v[ctrMemoryFailures] = n, n
		case "oom_kill":
			v[ctrOOMKills] = n
		}
	})
	v[ctrMemoryWorkingSet] = workingSet(v[ctrMemoryUsage], v[ctrMemoryInactiveFile])
	v[ctrThreads] = r.number(dir, "pids.current")
	v[ctrThreadsMax] = r.limit(dir, "pids.max")
	v[ctrSpecMemory] = r.limit(dir, "memory.max")
	v[ctrSpecMemorySwap] = r.limit(dir, "memory.swap.max")
	v[ctrSpecMemoryReservation] = r.limit(dir, "memory.min")
	if weight := r.number(dir, "cpu.weight"); weight >= 1 && weight <= 10_000 {
		v[ctrSpecCPUShares] = float64(2 + (uint64(weight)-1)*262_142/9_999) // as cAdvisor: weight 1 to 10000 onto shares 2 to 262144
	}
	if b, err := r.file.read(filepath.Join(dir, "cpu.max")); err == nil {
		quota, rest := cutField(b)
		period, _ := cutField(rest)
		setQuota(v, quota, period)
	}
	r.devicesV2(dir, s)
}

// readHostMemory reads the memory of the root from /proc/meminfo as runc and cAdvisor do: its limit is what the host has, and version 2 has no memory.current
// there.
func (r *cgroupReader) readHostMemory(s *containerStats) {
	b, err := r.file.read(r.meminfo)
	if err != nil {
		return
	}
	nan := math.NaN()
	total, free, inactive, swapTotal, swapFree := nan, nan, nan, nan, nan
	err = eachMemory(b, func(field []byte, _ bool, n uint64) error {
		switch string(field) {
		case "MemTotal":
			total = float64(n)
		case "MemFree":
			free = float64(n)
		case "Inactive(file)":
			inactive = float64(n)
		case "SwapTotal":
			swapTotal = float64(n)
		case "SwapFree":
			swapFree = float64(n)
		}
		return nil
	})
	if err != nil { // meminfo's own collector reports what is wrong with it
		return
	}
	v := &s.values
	v[ctrSpecMemory] = total
	if !r.trees.isV2() {
		return
	}
	v[ctrMemoryUsage], v[ctrMemorySwap] = math.Max(total-free, 0), math.Max(swapTotal-swapFree, 0) // NaN stays NaN
	if math.IsNaN(v[ctrMemoryInactiveFile]) {                                                      // memory.stat has it from Linux 5.10 on
		v[ctrMemoryInactiveFile] = inactive
	}
	v[ctrMemoryWorkingSet] = workingSet(v[ctrMemoryUsage], v[ctrMemoryInactiveFile])
}

// memoryStatV2 are the keys of memory.stat that are read.
var memoryStatV2 = map[string]int{
	"anon": ctrMemoryRSS, "file": ctrMemoryCache, "file_mapped": ctrMemoryMapped, "kernel": ctrMemoryKernel, "file_dirty": ctrMemoryDirty, "file_writeback": ctrMemoryWriteback,
	"active_file": ctrMemoryActiveFile, "inactive_file": ctrMemoryInactiveFile, "pgfault": ctrMemoryFaults, "pgmajfault": ctrMemoryMajorFaults,
	"pgscan": ctrMemoryScanned, "pgsteal": ctrMemoryReclaimed, "workingset_refault_file": ctrMemoryRefaultsFile, "workingset_refault_anon": ctrMemoryRefaultsAnon,
}

// setQuota takes the limit of CPU time. Without a limit, what the limit did is left out, as in cAdvisor.
func setQuota(v *[containerValueCount]float64, quota, period []byte) {
	if p, err := parseUint(period); err == nil {
		v[ctrSpecCPUPeriod] = float64(p)
	}
	if q, err := parseUint(quota); err == nil && q > 0 {
		v[ctrSpecCPUQuota] = float64(q)
		return
	}
	for _, i := range []int{ctrCFSPeriods, ctrCFSThrottledPeriods, ctrCFSThrottled, ctrCFSBurstPeriods, ctrCFSBurst} {
		v[i] = math.NaN()
	}
}

// workingSet is the memory that cannot be given back at once, as cAdvisor and the kubelet count it.
func workingSet(usage, inactiveFile float64) float64 {
	if math.IsNaN(inactiveFile) {
		return usage
	}
	return math.Max(usage-inactiveFile, 0) // NaN stays NaN
}

// devicesV2 reads io.stat.
func (r *cgroupReader) devicesV2(dir string, s *containerStats) {
	if b, err := r.file.read(filepath.Join(dir, "io.stat")); err == nil {
		s.devices = parseIOStat(b)
	}
}

// parseIOStat reads lines "8:16 rbytes=… wbytes=… rios=… wios=… …". A device that has done nothing has a line with its number only.
func parseIOStat(b []byte) []deviceIO {
	var out []deviceIO
	for len(b) > 0 {
		var line, field []byte
		line, b = cutLine(b)
		device, rest := cutField(line)
		d, ok := parseDevice(device)
		if !ok {
			continue
		}
		for field, rest = cutField(rest); len(field) > 0; field, rest = cutField(rest) {
			key, text, _ := bytes.Cut(field, []byte("="))
			n, err := parseUint(text)
			if err != nil {
				continue
			}
			switch string(key) {
			case "rbytes":
				d.values[ctrBytesRead] = n
			case "wbytes":
				d.values[ctrBytesWritten] = n
			case "rios":
				d.values[ctrReads] = n
			case "wios":
				d.values[ctrWrites] = n
			}
		}
		out = append(out, d)
	}
	return out
}

// parseDevice reads "8:16".
func parseDevice(b []byte) (deviceIO, bool) {
	major, minor, ok := bytes.Cut(b, []byte(":"))
	a, err1 := parseUint(major)
	i, err2 := parseUint(minor)
	return deviceIO{major: a, minor: i}, ok && err1 == nil && err2 == nil
}

func (r *cgroupReader) readPressure(dir string, s *containerStats) {
	for _, p := range []struct {
		file       string
		some, full int
	}{{"cpu.pressure", ctrCPUWaiting, ctrCPUStalled}, {"memory.pressure", ctrMemoryWaiting, ctrMemoryStalled}, {"io.pressure", ctrIOWaiting, ctrIOStalled}} {
		b, err := r.file.read(filepath.Join(dir, p.file))
		if err != nil {
			continue // before Linux 4.20, or switched off
		}
		some, full, err := parsePressure(b)
		if err != nil {
			continue
		}
		if some >= 0 {
			s.values[p.some] = float64(some) / 1e6
		}
		if full >= 0 {
			s.values[p.full] = float64(full) / 1e6
		}
	}
}

// readProcesses counts the processes of a group and of those below it, two levels deep: where a runtime puts them.
func (r *cgroupReader) readProcesses(dir string, s *containerStats) {
	count := 0
	var visit func(dir string, depth int)
	visit = func(dir string, depth int) {
		b, err := r.file.read(filepath.Join(dir, "cgroup.procs"))
		for err == nil && len(b) > 0 {
			var line []byte
			line, b = cutLine(b)
			if pid, err := parseUint(trimSpace(line)); err == nil {
				count++
				if pid > 0 && pid < 1<<31 && len(s.pids) < 3 {
					s.pids = append(s.pids, int(pid))
				}
			}
		}
		if depth == 2 || leafFolder(dir) {
			return
		}
		for _, name := range subfolders(dir) {
			visit(filepath.Join(dir, name), depth+1)
		}
	}
	visit(dir, 0)
	s.values[ctrProcesses] = float64(count)
}

// pairs calls each for the lines "key number" of a file.
func (r *cgroupReader) pairs(dir, name string, each func(key string, n float64)) {
	b, err := r.file.read(filepath.Join(dir, name))
	if err != nil {
		return
	}
	eachCgroupPair(b, each)
}

// eachCgroupPair calls each for the lines "key number". A line of another form is left out: the others are still true.
func eachCgroupPair(b []byte, each func(key string, n float64)) {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		key, rest := cutField(line)
		value, _ := cutField(rest)
		if n, err := parseUint(value); err == nil {
			each(string(key), float64(n))
		}
	}
}

// number reads a file of one number; NaN when there is none.
func (r *cgroupReader) number(dir, name string) float64 {
	b, err := r.file.readOne(filepath.Join(dir, name))
	if err != nil {
		return math.NaN()
	}
	n, err := parseUint(b)
	if err != nil {
		return math.NaN()
	}
	return float64(n)
}

// limit reads a limit. As in cAdvisor 0 stands for none: "max", or a number that no machine has (version 1).
func (r *cgroupReader) limit(dir, name string) float64 {
	b, err := r.file.readOne(filepath.Join(dir, name))
	if err != nil {
		return math.NaN()
	}
	n, err := parseUint(b)
	switch {
	case strings.TrimSpace(string(b)) == "max":
		return 0
	case err != nil:
		return math.NaN()
	case n > 1<<62:
		return 0
	}
	return float64(n)
}
