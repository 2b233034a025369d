package collector

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "interrupts", Summary: "interrupts of each CPU by line and device",
		Source: "/proc/interrupts", New: func() Collector { return &interrupts{IncludeZeros: true} },
	})
}

var interruptsTotal = counter("node_interrupts_total", "Interrupt details.", "cpu", "type", "info", "devices")

type interrupts struct {
	NameInclude  string `json:"name_include" help:"Regexp of interrupts to publish, as name;info;devices; not together with name-exclude."`
	NameExclude  string `json:"name_exclude" help:"Regexp of interrupts to leave out, as name;info;devices; not together with name-include."`
	IncludeZeros bool   `json:"include_zeros" help:"Publish interrupts that a CPU never had."`

	path   string
	file   file
	filter *filter
}

// OffByDefault: a large server has thousands of series.
func (c *interrupts) OffByDefault() bool { return true }

func (c *interrupts) Validate() error {
	_, err := newFilter("name", c.NameExclude, "", c.NameInclude)
	return err
}

func (c *interrupts) Open(h *Host) (err error) {
	c.path = h.proc("interrupts")
	c.filter, err = newFilter("name", c.NameExclude, "", c.NameInclude)
	return err
}

func (c *interrupts) Families() []*Family { return []*Family{interruptsTotal} }

func (c *interrupts) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading interrupts: %w", err)
	}
	return eachIRQ(b, "interrupts", func(l irqLine) error {
		values := make([]uint64, len(l.cpus))
		for i := range values {
			if values[i], err = l.next(); err != nil {
				return fmt.Errorf("interrupts: %s: %w", l.name, err)
			}
		}
		words := strings.Fields(string(l.rest))
		if len(words) == 0 {
			return nil // ERR and MIS are sums without a device
		}
		info, devices := strings.Join(words, " "), ""
		if _, err := strconv.Atoi(string(l.name)); err == nil { // an interrupt line of hardware
			info, devices = words[0], strings.Join(words[1:], " ")
		}
		if c.filter.drops([]byte(string(l.name) + ";" + info + ";" + devices)) {
			return nil
		}
		for i, v := range values {
			if v > 0 || c.IncludeZeros {
				interruptsTotal.send(ch, float64(v), l.cpus[i], string(l.name), info, devices)
			}
		}
		return nil
	})
}
