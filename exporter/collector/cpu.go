package collector

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "cpu", Summary: "seconds of each CPU by mode; throttling, isolated and online CPUs",
		Source: "/proc/stat, proc_stat(5); /sys/devices/system/cpu", New: func() Collector { return &cpu{Guest: true} },
	})
}

var (
	cpuSeconds      = counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", "cpu", "mode")
	cpuGuestSeconds = counter("node_cpu_guest_seconds_total", "Seconds the CPUs spent in guests (VMs) for each mode.", "cpu", "mode")
)

// The columns of a cpu line of /proc/stat.
const (
	cpuUser = iota
	cpuNice
	cpuSystem
	cpuIdle
	cpuIowait
	cpuIRQ
	cpuSoftIRQ
	cpuSteal
	cpuGuest
	cpuGuestNice
	cpuColumns
)

var cpuModes = [cpuColumns]string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "user", "nice"}

// userHz is the unit of /proc/stat: USER_HZ is 100 on every Linux that Go runs on, whatever HZ the kernel was built with.
const userHz = 100

// hotplugBack is how far the idle time of a CPU must fall, in units of userHz, for its counters to count as started anew: 3 s. The kernel's idle
// and iowait times go back by less than that in normal use, and a counter must not.
const hotplugBack = 3 * userHz

// maxCPUs bounds what a broken file could create. The kernel's own bound is 8192.
const maxCPUs = 1 << 16

type cpu struct {
	Guest            bool   `json:"guest" help:"Publish node_cpu_guest_seconds_total."`
	Info             bool   `json:"info" help:"Publish node_cpu_info."`
	InfoFlagsInclude string `json:"info_flags_include" help:"Regexp of the flags of the first CPU to publish as node_cpu_flag_info."`
	InfoBugsInclude  string `json:"info_bugs_include" help:"Regexp of the bugs of the first CPU to publish as node_cpu_bug_info."`

	path  string
	file  file
	state map[uint64]*cpuState
	topo  cpuTopology
	info  cpuInfo
}

func (c *cpu) Validate() error {
	return c.info.compile(c)
}

// cpuState is what is kept of one CPU: its counters as last published and its series.
type cpuState struct {
	ticks  [cpuColumns]uint64
	series [cpuColumns]series
}

func (c *cpu) Open(h *Host) error {
	c.path, c.state = h.proc("stat"), map[uint64]*cpuState{}
	c.topo.open(h)
	c.info.path = h.proc("cpuinfo")
	return c.info.compile(c)
}

func (c *cpu) Families() []*Family {
	return slices.Concat([]*Family{cpuSeconds, cpuGuestSeconds}, c.topo.families(), []*Family{cpuInfoFamily, cpuFlagInfo, cpuBugInfo})
}

func (c *cpu) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading CPU times: %w", err)
	}
	seen := 0
	err = eachCPU(b, func(number uint64, ticks *[cpuColumns]uint64) {
		seen++
		s := c.state[number]
		if s == nil {
			s = newCPUState(number)
			c.state[number] = s
		}
		s.advance(ticks)
		for i, v := range s.ticks {
			if i >= cpuGuest && !c.Guest {
				break
			}
			s.series[i].send(ch, float64(v)/userHz)
		}
	})
	if err != nil {
		return err
	}
	if seen == 0 {
		return fmt.Errorf("CPU times: %s has no line of a CPU", c.path)
	}
	if err := c.topo.update(ch, seen); err != nil {
		return err
	}
	return c.info.update(ch)
}

func newCPUState(number uint64) *cpuState {
	s, name := &cpuState{}, strconv.FormatUint(number, 10)
	for i, mode := range cpuModes {
		f := cpuSeconds
		if i >= cpuGuest {
			f = cpuGuestSeconds
		}
		s.series[i] = f.with(name, mode)
	}
	return s
}

// advance takes new counters. A counter that went back keeps its old value, unless the CPU was unplugged and came back.
func (s *cpuState) advance(ticks *[cpuColumns]uint64) {
	if s.ticks[cpuIdle] >= ticks[cpuIdle]+hotplugBack {
		s.ticks = *ticks
		return
	}
	for i, v := range ticks {
		s.ticks[i] = max(s.ticks[i], v)
	}
}

// eachCPU calls yield for every line of one CPU of /proc/stat. Old kernels have fewer columns; those are 0.
func eachCPU(b []byte, yield func(number uint64, ticks *[cpuColumns]uint64)) error {
	var ticks [cpuColumns]uint64
	for bytes.HasPrefix(b, []byte("cpu")) { // they come first
		var line []byte
		line, b = cutLine(b)
		key, rest := cutField(line)
		if len(key) == len("cpu") {
			continue // the sum of all
		}
		number, err := parseUint(key[len("cpu"):])
		if err != nil || number >= maxCPUs {
			return fmt.Errorf("CPU times: line %q: want a CPU number", shorten(line))
		}
		ticks = [cpuColumns]uint64{}
		n, err := parseUints(rest, ticks[:])
		if err != nil || n <= cpuIdle {
			return fmt.Errorf("CPU times: line %q: want at least %d whole numbers", shorten(line), cpuIdle+1)
		}
		yield(number, &ticks)
	}
	return nil
}
