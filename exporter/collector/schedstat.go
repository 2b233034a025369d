package collector

import (
	"bytes"
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "schedstat", Summary: "how long tasks ran on each CPU and waited for it",
		Source: "/proc/schedstat, Documentation/scheduler/sched-stats.rst", New: func() Collector { return &schedstat{} },
	})
}

var (
	schedRunning    = counter("node_schedstat_running_seconds_total", "Number of seconds CPU spent running a process.", "cpu")
	schedWaiting    = counter("node_schedstat_waiting_seconds_total", "Number of seconds spent by processing waiting for this CPU.", "cpu")
	schedTimeslices = counter("node_schedstat_timeslices_total", "Number of timeslices executed by CPU.", "cpu")
)

type schedstat struct {
	path   string
	file   file
	series map[string]*[3]series
}

func (c *schedstat) Open(h *Host) error {
	c.path, c.series = h.proc("schedstat"), map[string]*[3]series{}
	return nil
}

func (c *schedstat) Families() []*Family {
	return []*Family{schedRunning, schedWaiting, schedTimeslices}
}

func (c *schedstat) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading scheduler statistics: %w", absent(err))
	}
	return eachSched(b, func(cpu []byte, v [3]uint64) {
		s := c.series[string(cpu)]
		if s == nil {
			n := string(cpu)
			s = &[3]series{schedRunning.with(n), schedWaiting.with(n), schedTimeslices.with(n)}
			if len(c.series) < maxCPUs {
				c.series[n] = s
			}
		}
		s[0].send(ch, float64(v[0])/1e9)
		s[1].send(ch, float64(v[1])/1e9)
		s[2].send(ch, float64(v[2]))
	})
}

// eachSched calls yield for each line of a CPU: its number and the fields 7, 8 and 9: nanoseconds running, nanoseconds waiting, time slices.
func eachSched(b []byte, yield func(cpu []byte, v [3]uint64)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		key, rest := cutField(line)
		cpu, ok := bytes.CutPrefix(key, []byte("cpu"))
		if !ok {
			continue // version, timestamp, domains
		}
		var v [9]uint64
		n, err := parseUints(rest, v[:])
		if _, bad := parseUint(cpu); err != nil || n < len(v) || bad != nil {
			return fmt.Errorf("scheduler statistics: line %q: want a CPU and 9 whole numbers", shorten(line))
		}
		yield(cpu, [3]uint64(v[6:]))
	}
	return nil
}
