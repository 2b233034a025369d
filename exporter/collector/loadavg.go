package collector

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "loadavg", Summary: "load averages over 1, 5 and 15 minutes",
		Source: "/proc/loadavg, proc_loadavg(5)", New: func() Collector { return &loadavg{} },
	})
}

var loads = [3]*Family{
	gauge("node_load1", "1m load average."),
	gauge("node_load5", "5m load average."),
	gauge("node_load15", "15m load average."),
}

type loadavg struct {
	path string
	file file
}

func (c *loadavg) Open(h *Host) error { c.path = h.proc("loadavg"); return nil }

func (c *loadavg) Families() []*Family { return loads[:] }

func (c *loadavg) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading load averages: %w", err)
	}
	values, err := parseLoadavg(b)
	if err != nil {
		return err
	}
	for i, f := range loads {
		f.with().send(ch, values[i])
	}
	return nil
}

// parseLoadavg reads the first three fields of /proc/loadavg.
func parseLoadavg(b []byte) (values [3]float64, err error) {
	for i := range values {
		var field []byte
		field, b = cutField(b)
		v, err := strconv.ParseFloat(string(field), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return values, fmt.Errorf("load averages: field %d is %q, want a number", i+1, shorten(field))
		}
		values[i] = v
	}
	return values, nil
}
