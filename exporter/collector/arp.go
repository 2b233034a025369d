package collector

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "arp", Summary: "neighbours known to each network interface",
		Source: "/proc/net/arp", New: func() Collector { return &arp{} },
	})
}

var arpEntries = gauge("node_arp_entries", "ARP entries by device", "device")

type arp struct {
	DeviceInclude string `json:"device_include" help:"Regexp of interfaces to publish; not together with device-exclude."`
	DeviceExclude string `json:"device_exclude" help:"Regexp of interfaces to leave out; not together with device-include."`

	path   string
	file   file
	filter *filter
}

func (c *arp) Validate() error {
	_, err := newFilter("device", c.DeviceExclude, "", c.DeviceInclude)
	return err
}

func (c *arp) Open(h *Host) (err error) {
	c.path = h.proc("net/arp")
	c.filter, err = newFilter("device", c.DeviceExclude, "", c.DeviceInclude)
	return err
}

func (c *arp) Families() []*Family { return []*Family{arpEntries} }

func (c *arp) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading neighbours: %w", absent(err))
	}
	counts, err := countARP(b)
	if err != nil {
		return err
	}
	for _, device := range slices.Sorted(maps.Keys(counts)) {
		if !c.filter.drops([]byte(device)) {
			arpEntries.send(ch, float64(counts[device]), device)
		}
	}
	return nil
}

// countARP counts the lines of /proc/net/arp by their last field, the interface.
func countARP(b []byte) (map[string]int, error) {
	_, b = cutLine(b) // the heading
	counts := map[string]int{}
	for len(b) > 0 {
		var line, device []byte
		line, b = cutLine(b)
		n := 0
		for field, rest := cutField(line); len(field) > 0; field, rest = cutField(rest) {
			device = field
			n++
		}
		switch {
		case n == 0:
		case n < 6:
			return nil, fmt.Errorf("neighbours: line %q: want 6 fields", shorten(line))
		default:
			counts[string(device)]++
		}
	}
	return counts, nil
}
