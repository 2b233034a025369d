package collector

import (
	"os"
	"path/filepath"
)

// userHertz is the unit of cpuacct.stat. The kernel shows 1/100 s to programs on every architecture that Go runs on under Linux.
const userHertz = 100

// readV1 reads the files of version 1 (Documentation/admin-guide/cgroup-v1) and returns the folder of the first controller that has the group.
func (r *cgroupReader) readV1(at string, s *containerStats) (main string) {
	dirs := map[string]string{}
	for _, c := range []string{"memory", "cpuacct", "cpu", "pids", "blkio"} {
		dir := filepath.Join(r.trees.v1[c], at)
		if r.trees.v1[c] == "" || !exists(dir) {
			continue
		}
		dirs[c] = dir
		if main == "" {
			main = dir
		}
	}
	if dir := dirs["cpuacct"]; dir != "" {
		s.values[ctrCPUUsage] = r.number(dir, "cpuacct.usage") / 1e9
		r.pairs(dir, "cpuacct.stat", func(key string, n float64) {
			switch key {
			case "user":
				s.values[ctrCPUUser] = n / userHertz
			case "system":
				s.values[ctrCPUSystem] = n / userHertz
			}
		})
	}
	if dir := dirs["cpu"]; dir != "" {
		r.cpuV1(dir, &s.values)
	}
	if dir := dirs["memory"]; dir != "" {
		r.memoryV1(dir, &s.values)
	}
	if dir := dirs["pids"]; dir != "" {
		s.values[ctrThreads] = r.number(dir, "pids.current")
		s.values[ctrThreadsMax] = r.limit(dir, "pids.max")
	}
	if dir := dirs["blkio"]; dir != "" {
		r.devicesV1(dir, s)
	}
	return main
}

func (r *cgroupReader) cpuV1(dir string, v *[containerValueCount]float64) {
	r.pairs(dir, "cpu.stat", func(key string, n float64) {
		switch key {
		case "nr_periods":
			v[ctrCFSPeriods] = n
		case "nr_throttled":
			v[ctrCFSThrottledPeriods] = n
		case "throttled_time":
			v[ctrCFSThrottled] = n / 1e9
		case "nr_bursts":
			v[ctrCFSBurstPeriods] = n
		case "burst_time":
			v[ctrCFSBurst] = n / 1e9
		}
	})
	v[ctrSpecCPUShares] = r.number(dir, "cpu.shares")
	quota, _ := r.file.readOne(filepath.Join(dir, "cpu.cfs_quota_us")) // -1: none
	quota = append([]byte(nil), quota...)
	period, _ := r.file.readOne(filepath.Join(dir, "cpu.cfs_period_us"))
	setQuota(v, quota, period)
}

// memoryStatV1 are the keys of memory.stat that are read: those over the group and all below it.
var memoryStatV1 = map[string]int{
	"total_rss": ctrMemoryRSS, "total_cache": ctrMemoryCache, "total_mapped_file": ctrMemoryMapped, "total_swap": ctrMemorySwap, "total_active_file": ctrMemoryActiveFile,
	"total_inactive_file": ctrMemoryInactiveFile, "pgfault": ctrMemoryFaults, "pgmajfault": ctrMemoryMajorFaults, "total_pgfault": ctrMemoryFaultsBelow,
	"total_pgmajfault": ctrMemoryMajorFaultsBelow, "total_dirty": ctrMemoryDirty, "total_writeback": ctrMemoryWriteback,
}

func (r *cgroupReader) memoryV1(dir string, v *[containerValueCount]float64) {
	v[ctrMemoryUsage] = r.number(dir, "memory.usage_in_bytes")
	v[ctrMemoryMax] = r.number(dir, "memory.max_usage_in_bytes")
	v[ctrMemoryFailures] = r.number(dir, "memory.failcnt")
	v[ctrMemoryKernel] = r.number(dir, "memory.kmem.usage_in_bytes")
	r.pairs(dir, "memory.stat", func(key string, n float64) {
		if at, ok := memoryStatV1[key]; ok {
			v[at] = n
		}
	})
	v[ctrMemoryWorkingSet] = workingSet(v[ctrMemoryUsage], v[ctrMemoryInactiveFile])
	r.pairs(dir, "memory.oom_control", func(key string, n float64) { // since Linux 4.13
		if key == "oom_kill" {
			v[ctrOOMKills] = n
		}
	})
	v[ctrSpecMemory] = r.limit(dir, "memory.limit_in_bytes")
	v[ctrSpecMemorySwap] = r.limit(dir, "memory.memsw.limit_in_bytes")
	v[ctrSpecMemoryReservation] = r.limit(dir, "memory.soft_limit_in_bytes")
}

// devicesV1 reads the files of blkio: lines "8:16 Read 123". Which of them count depends on the scheduler of the disk.
func (r *cgroupReader) devicesV1(dir string, s *containerStats) {
	at := map[[2]uint64]int{}
	for _, kind := range []struct {
		read, write int
		files       []string
	}{
		{ctrBytesRead, ctrBytesWritten, []string{"blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes", "blkio.io_service_bytes_recursive"}},
		{ctrReads, ctrWrites, []string{"blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced", "blkio.io_serviced_recursive"}},
	} {
		for _, name := range kind.files {
			b, err := r.file.read(filepath.Join(dir, name))
			if err != nil {
				continue
			}
			eachBlkio(b, func(d deviceIO, operation string, n uint64) {
				i, ok := at[[2]uint64{d.major, d.minor}]
				if !ok {
					i = len(s.devices)
					at[[2]uint64{d.major, d.minor}] = i
					s.devices = append(s.devices, d)
				}
				switch operation {
				case "Read":
					s.devices[i].values[kind.read] = n
				case "Write":
					s.devices[i].values[kind.write] = n
				}
			})
			break
		}
	}
}

// eachBlkio calls each for the lines of a file of blkio that are of one device.
func eachBlkio(b []byte, each func(d deviceIO, operation string, n uint64)) {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		device, rest := cutField(line)
		operation, rest := cutField(rest)
		value, _ := cutField(rest)
		d, ok := parseDevice(device)
		if n, err := parseUint(value); ok && err == nil {
			each(d, string(operation), n)
		}
	}
}

// folders returns the names of the folders in dir.
func subfolders(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out
}
