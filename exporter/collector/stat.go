package collector

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "stat", Summary: "context switches, interrupts, forks, boot time, runnable and blocked processes",
		Source: "/proc/stat, proc_stat(5)", New: func() Collector { return &stat{} },
	})
}

var (
	statIntr    = counter("node_intr_total", "Total number of interrupts serviced.")
	statCtxt    = counter("node_context_switches_total", "Total number of context switches.")
	statForks   = counter("node_forks_total", "Total number of forks.")
	statBoot    = gauge("node_boot_time_seconds", "Node boot time, in unixtime.")
	statRunning = gauge("node_procs_running", "Number of processes in runnable state.")
	statBlocked = gauge("node_procs_blocked", "Number of processes blocked waiting for I/O to complete.")
)

type stat struct {
	path string
	file file
}

func (c *stat) Open(h *Host) error { c.path = h.proc("stat"); return nil }

func (c *stat) Families() []*Family {
	return []*Family{statIntr, statCtxt, statForks, statBoot, statRunning, statBlocked}
}

func (c *stat) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading kernel statistics: %w", err)
	}
	return eachStat(b, func(f *Family, v uint64) { f.with().send(ch, float64(v)) })
}

// eachStat calls yield for every known line of /proc/stat but those of the CPUs. Unknown lines and a missing one are no error: kernels differ.
func eachStat(b []byte, yield func(f *Family, v uint64)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		key, rest := cutField(line)
		f := statFamily(key)
		if f == nil {
			continue
		}
		field, _ := cutField(rest)
		v, err := parseUint(field)
		if err != nil {
			return fmt.Errorf("kernel statistics: line %q: value %q: %w", key, shorten(field), err)
		}
		yield(f, v)
	}
	return nil
}

func statFamily(key []byte) *Family {
	switch string(key) {
	case "intr":
		return statIntr
	case "ctxt":
		return statCtxt
	case "processes":
		return statForks
	case "btime":
		return statBoot
	case "procs_running":
		return statRunning
	case "procs_blocked":
		return statBlocked
	}
	return nil
}
