package collector

import (
	"context"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "meminfo", Summary: "memory by use, swap, huge pages",
		Source: "/proc/meminfo, proc_meminfo(5)", New: func() Collector { return &meminfo{} },
	})
}

// meminfo publishes every field that the kernel tells, so that a new one needs no new version: Active(anon) in kB becomes
// node_memory_Active_anon_bytes, and a field without a unit, like HugePages_Total, keeps its name.
type meminfo struct {
	path   string
	file   file
	series map[string]series // by the field as the kernel writes it, with its unit
}

// maxMemoryFields bounds the families that a broken file could create. Kernels know about 60.
const maxMemoryFields = 512

var memoryPattern = []*Family{
	gauge("node_memory_<field>_bytes", "Memory information field <field>_bytes: one family for each field of /proc/meminfo that has the unit kB."),
	gauge("node_memory_<field>", "Memory information field <field>: one family for each field of /proc/meminfo without a unit."),
}

func (c *meminfo) Open(h *Host) error {
	c.path, c.series = h.proc("meminfo"), map[string]series{}
	return nil
}

func (c *meminfo) Families() []*Family { return memoryPattern }

func (c *meminfo) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading memory information: %w", err)
	}
	return eachMemory(b, func(field []byte, kB bool, v uint64) error {
		s, ok := c.series[string(field)]
		if !ok {
			if len(c.series) >= maxMemoryFields {
				return fmt.Errorf("memory information: more than %d fields", maxMemoryFields)
			}
			s = memoryFamily(string(field), kB).with()
			c.series[string(field)] = s
		}
		s.send(ch, float64(v))
		return nil
	})
}

// memoryFamily names the family of a field. Letters, digits and _ stay, any run of other bytes becomes one _.
func memoryFamily(field string, kB bool) *Family {
	name := strings.Join(strings.FieldsFunc(field, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}), "_")
	if kB {
		name += "_bytes"
	}
	return gauge("node_memory_"+name, "Memory information field "+name+".")
}

// eachMemory calls yield for every line of /proc/meminfo: the field without its colon, whether its unit is kB, and the value in bytes then.
func eachMemory(b []byte, yield func(field []byte, kB bool, v uint64) error) error {
	seen := 0
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		field, rest := cutField(line)
		if len(field) == 0 {
			continue
		}
		if field[len(field)-1] != ':' || len(field) == 1 {
			return fmt.Errorf("memory information: line %q: want a field that ends with a colon", shorten(line))
		}
		number, rest := cutField(rest)
		v, err := parseUint(number)
		if err != nil {
			return fmt.Errorf("memory information: line %q: %w", shorten(line), err)
		}
		unit, _ := cutField(rest)
		switch {
		case len(unit) == 0:
		case string(unit) == "kB" && v <= 1<<53:
			v *= 1024
		default:
			return fmt.Errorf("memory information: line %q: want the unit kB or none", shorten(line))
		}
		if err := yield(field[:len(field)-1], len(unit) > 0, v); err != nil {
			return err
		}
		seen++
	}
	if seen == 0 {
		return fmt.Errorf("memory information: the file is empty")
	}
	return nil
}
