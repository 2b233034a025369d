package collector

import (
	"context"
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "softnet", Summary: "packets that each CPU took from the network, and those it dropped",
		Source: "/proc/net/softnet_stat, net/core/net-procfs.c", New: func() Collector { return &softnet{} },
	})
}

// softnetColumns says which column of /proc/net/softnet_stat is what, and so from which Linux on it is there: 2.6.23 has 9 columns, 2.6.39 10,
// 4.18 11, 5.14 13.
var softnetColumns = [...]struct {
	column int
	f      *Family
}{
	{0, counter("node_softnet_processed_total", "Number of processed packets", "cpu")},
	{1, counter("node_softnet_dropped_total", "Number of dropped packets", "cpu")},
	{2, counter("node_softnet_times_squeezed_total", "Number of times processing packets ran out of quota", "cpu")},
	{8, counter("node_softnet_cpu_collision_total", "Number of collision occur while obtaining device lock while transmitting", "cpu")},
	{9, counter("node_softnet_received_rps_total", "Number of times cpu woken up received_rps", "cpu")},
	{10, counter("node_softnet_flow_limit_count_total", "Number of times flow limit has been reached", "cpu")},
	{11, gauge("node_softnet_backlog_len", "Softnet backlog status", "cpu")},
}

const (
	softnetFewest = 9
	softnetIndex  = 12 // the column with the number of the CPU; before Linux 5.14 the line tells it
)

type softnet struct {
	path   string
	file   file
	series map[uint64]*[len(softnetColumns)]series
}

func (c *softnet) Open(h *Host) error {
	c.path, c.series = h.proc("net/softnet_stat"), map[uint64]*[len(softnetColumns)]series{}
	return nil
}

func (c *softnet) Families() []*Family {
	var out []*Family
	for _, s := range softnetColumns {
		out = append(out, s.f)
	}
	return out
}

func (c *softnet) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading packets of each CPU: %w", absent(err))
	}
	return eachSoftnet(b, func(cpu uint64, v []uint64) {
		s := c.series[cpu]
		if s == nil {
			s = new([len(softnetColumns)]series)
			for i, column := range softnetColumns {
				s[i] = column.f.with(strconv.FormatUint(cpu, 10))
			}
			c.series[cpu] = s
		}
		for i, column := range softnetColumns {
			if column.column < len(v) {
				s[i].send(ch, float64(v[column.column]))
			}
		}
	})
}

// eachSoftnet calls yield for each CPU with the columns that this kernel has.
func eachSoftnet(b []byte, yield func(cpu uint64, v []uint64)) error {
	var columns [softnetIndex + 1]uint64
	for n := uint64(0); len(b) > 0; n++ {
		var line []byte
		line, b = cutLine(b)
		count, rest := 0, line
		for ; count < len(columns); count++ {
			var field []byte
			if field, rest = cutField(rest); len(field) == 0 {
				break
			}
			v, err := parseHex(field)
			if err != nil {
				return fmt.Errorf("packets of each CPU: line %q: want hexadecimal numbers", shorten(line))
			}
			columns[count] = v
		}
		if count < softnetFewest {
			return fmt.Errorf("packets of each CPU: line %q: want at least %d numbers", shorten(line), softnetFewest)
		}
		cpu := n
		if count > softnetIndex {
			cpu = columns[softnetIndex]
		}
		if cpu >= maxCPUs {
			return fmt.Errorf("packets of each CPU: line %q: want a CPU number", shorten(line))
		}
		yield(cpu, columns[:min(count, softnetIndex)])
	}
	return nil
}
