package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "pressure", Summary: "time that work waited for CPU, memory, disk or interrupts (PSI)",
		Source: "/proc/pressure, Documentation/accounting/psi.rst", New: func() Collector { return &pressure{} },
	})
}

// stall is one resource of the kernel's pressure information. "some" is the time in which at least one task waited, "full" the time in which all
// did. For the CPU as a whole "full" has no meaning, and for interrupts there is no "some".
type stall struct {
	resource   string
	some, full *Family
	path       string
}

type pressure struct {
	stalls []stall
	file   file
}

var pressures = []stall{
	{resource: "cpu", some: counter("node_pressure_cpu_waiting_seconds_total", "Total time in seconds that processes have waited for CPU time")},
	{
		resource: "io",
		some:     counter("node_pressure_io_waiting_seconds_total", "Total time in seconds that processes have waited due to IO congestion"),
		full:     counter("node_pressure_io_stalled_seconds_total", "Total time in seconds no process could make progress due to IO congestion"),
	},
	{
		resource: "memory",
		some:     counter("node_pressure_memory_waiting_seconds_total", "Total time in seconds that processes have waited for memory"),
		full:     counter("node_pressure_memory_stalled_seconds_total", "Total time in seconds no process could make progress due to memory congestion"),
	},
	{resource: "irq", full: counter("node_pressure_irq_stalled_seconds_total", "Total time in seconds no process could make progress due to IRQ congestion")},
}

func (c *pressure) Open(h *Host) error {
	for _, s := range pressures {
		s.path = h.proc("pressure/" + s.resource)
		c.stalls = append(c.stalls, s)
	}
	return nil
}

func (c *pressure) Families() []*Family {
	var out []*Family
	for _, s := range pressures {
		for _, f := range []*Family{s.some, s.full} {
			if f != nil {
				out = append(out, f)
			}
		}
	}
	return out
}

func (c *pressure) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	found := false
	for _, s := range c.stalls {
		b, err := c.file.read(s.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // before Linux 4.20 none, before 6.1 no irq
		case errors.Is(err, syscall.ENOTSUP):
			return ErrNoData // built in, but off: needs psi=1 on the kernel's command line
		case err != nil:
			return fmt.Errorf("reading pressure of %s: %w", s.resource, err)
		}
		some, full, err := parsePressure(b)
		if err != nil {
			return fmt.Errorf("pressure of %s: %w", s.resource, err)
		}
		if s.some != nil && some >= 0 {
			s.some.with().send(ch, float64(some)/1e6)
			found = true
		}
		if s.full != nil && full >= 0 {
			s.full.with().send(ch, float64(full)/1e6)
			found = true
		}
	}
	if !found {
		return ErrNoData
	}
	return nil
}

// parsePressure returns the totals of a pressure file in microseconds, -1 for a line that is not there.
func parsePressure(b []byte) (some, full int64, err error) {
	some, full = -1, -1
	for len(b) > 0 {
		var line, field []byte
		line, b = cutLine(b)
		kind, rest := cutField(line)
		if len(kind) == 0 {
			continue
		}
		total := int64(-1)
		for field, rest = cutField(rest); len(field) > 0; field, rest = cutField(rest) {
			if text, ok := bytes.CutPrefix(field, []byte("total=")); ok {
				v, err := parseUint(text)
				if err != nil || v > 1<<62 {
					return -1, -1, fmt.Errorf("line %q: total is %w", shorten(line), errNotNumber)
				}
				total = int64(v)
			}
		}
		if total < 0 {
			return -1, -1, fmt.Errorf("line %q: no total", shorten(line))
		}
		switch string(kind) {
		case "some":
			some = total
		case "full":
			full = total
		}
	}
	return some, full, nil
}
