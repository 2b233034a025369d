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
		Name: "rapl", Summary: "energy that the CPU packages and the memory used",
		Source: "/sys/class/powercap, Documentation/power/powercap/powercap.rst", New: func() Collector { return &rapl{} },
	})
}

func raplFamily(zone string) *Family {
	return counter("node_rapl_"+metricName(zone)+"_joules_total", "Current RAPL "+zone+" value in joules", "index", "path")
}

var raplZone = counter("node_rapl_joules_total", "Current RAPL value in joules", "index", "path", "rapl_zone")

type rapl struct {
	EnableZoneLabel bool `json:"enable_zone_label" help:"Publish one metric with the zone as a label instead of one metric for each zone."`

	dir      string
	file     file
	families map[string]*Family
}

func (c *rapl) Open(h *Host) error {
	c.dir, c.families = h.sys("class/powercap"), map[string]*Family{}
	return nil
}

func (c *rapl) Families() []*Family {
	return []*Family{counter("node_rapl_<field>_joules_total", "Current RAPL <field> value in joules: one family for each kind of zone, as package, core, dram.", "index", "path"), raplZone}
}

func (c *rapl) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	dirs, err := list(c.dir, "")
	if err != nil {
		return fmt.Errorf("listing energy counters: %w", err)
	}
	used, sent := map[string]int{}, 0
	var refused error
	for _, dir := range dirs {
		name := c.file.text(c.dir + "/" + dir + "/name")
		if name == "" {
			continue // not a zone: the driver itself
		}
		name, index := zoneIndex(used, name)
		v, err := c.file.number(c.dir + "/" + dir + "/energy_uj")
		if err != nil {
			refused = err // for root only since Linux 5.10
			continue
		}
		path := "/sys/class/powercap/" + dir
		if c.EnableZoneLabel {
			raplZone.send(ch, v/1e6, strconv.Itoa(index), path, name)
		} else {
			f := c.families[name]
			if f == nil {
				f = raplFamily(name)
				if len(c.families) < maxFields {
					c.families[name] = f
				}
			}
			f.send(ch, v/1e6, strconv.Itoa(index), path)
		}
		sent++
	}
	switch {
	case sent > 0:
		return nil
	case refused != nil:
		return fmt.Errorf("%w: %w", ErrNoData, refused)
	}
	return ErrNoData
}

// zoneIndex splits "package-1" into its name and number. A name without a number gets how often it came before.
func zoneIndex(used map[string]int, name string) (string, int) {
	if kind, number, ok := strings.Cut(name, "-"); ok && !strings.Contains(number, "-") {
		if i, err := strconv.Atoi(number); err == nil {
			used[kind] = i + 1
			return kind, i
		}
	}
	i := used[name]
	used[name] = i + 1
	return name, i
}
