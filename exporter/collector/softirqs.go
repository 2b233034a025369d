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
		Name: "softirqs", Summary: "software interrupts of each CPU by kind",
		Source: "/proc/softirqs", New: func() Collector { return &softirqs{} },
	})
}

var softirqsTotal = counter("node_softirqs_functions_total", "Softirq counts per CPU.", "cpu", "type")

type softirqs struct {
	path string
	file file
}

// OffByDefault: it has a series for each CPU and each of ten kinds.
func (c *softirqs) OffByDefault() bool { return true }

func (c *softirqs) Open(h *Host) error { c.path = h.proc("softirqs"); return nil }

func (c *softirqs) Families() []*Family { return []*Family{softirqsTotal} }

func (c *softirqs) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading software interrupts: %w", err)
	}
	return eachIRQ(b, "software interrupts", func(l irqLine) error {
		for _, cpu := range l.cpus {
			v, err := l.next()
			if err != nil {
				return fmt.Errorf("software interrupts: %s: %w", l.name, err)
			}
			softirqsTotal.send(ch, float64(v), cpu, string(l.name))
		}
		return nil
	})
}

// irqLine is a line of /proc/interrupts or /proc/softirqs: a name and a number for each CPU, and what stands after them.
type irqLine struct {
	name []byte
	cpus []string // their numbers: where one is switched off the columns are not 0, 1, 2, …
	rest []byte
}

// next takes the number of the next CPU from the line.
func (l *irqLine) next() (uint64, error) {
	var field []byte
	field, l.rest = cutField(l.rest)
	return parseUint(field)
}

// eachIRQ calls yield for each line that has a number for every CPU of the heading. Lines with fewer, as the sum of errors, are left out.
func eachIRQ(b []byte, what string, yield func(l irqLine) error) error {
	heading, b := cutLine(b)
	var cpus []string
	for _, name := range bytes.Fields(heading) {
		number, ok := bytes.CutPrefix(name, []byte("CPU"))
		if _, err := parseUint(number); err != nil || !ok || len(cpus) >= maxCPUs {
			return fmt.Errorf("%s: heading %q: want the names of CPUs", what, shorten(heading))
		}
		cpus = append(cpus, string(number))
	}
	if len(cpus) == 0 {
		return fmt.Errorf("%s: heading %q: want the names of CPUs", what, shorten(heading))
	}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, rest, ok := bytes.Cut(line, []byte(":")) // on ARM nothing may stand between the colon and the number
		if !ok || len(bytes.Fields(rest)) < len(cpus) {
			continue
		}
		if err := yield(irqLine{trimSpace(name), cpus, rest}); err != nil {
			return err
		}
	}
	return nil
}
