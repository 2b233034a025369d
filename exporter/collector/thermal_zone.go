package collector

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "thermal_zone", Summary: "temperature of thermal zones, state of cooling devices",
		Source: "/sys/class/thermal, Documentation/driver-api/thermal/sysfs-api.rst", New: func() Collector { return &thermalZone{} },
	})
}

var (
	thermalTemp = gauge("node_thermal_zone_temp", "Zone temperature in Celsius", "zone", "type")
	coolingNow  = gauge("node_cooling_device_cur_state", "Current throttle state of the cooling device", "name", "type")
	coolingMax  = gauge("node_cooling_device_max_state", "Maximum throttle state of the cooling device", "name", "type")
)

type thermalZone struct {
	dir  string
	file file
}

func (c *thermalZone) Open(h *Host) error { c.dir = h.sys("class/thermal"); return nil }

func (c *thermalZone) Families() []*Family { return []*Family{thermalTemp, coolingNow, coolingMax} }

func (c *thermalZone) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	found := 0
	for _, kind := range []struct {
		prefix string
		units  []unit
	}{
		{"thermal_zone", []unit{{"temp", thermalTemp, 0.001}}},
		{"cooling_device", []unit{{"cur_state", coolingNow, 1}, {"max_state", coolingMax, 1}}},
	} {
		names, err := numbered(c.dir, kind.prefix)
		if err != nil && !errors.Is(err, ErrNoData) {
			return fmt.Errorf("listing thermal zones: %w", err)
		}
		for _, name := range names {
			dir := c.dir + "/" + name
			what := c.file.text(dir + "/type")
			// A zone whose driver sleeps does not tell its temperature: EAGAIN, ENODATA.
			found += c.file.sendUnits(func(f *Family, v float64) { f.send(ch, v, name[len(kind.prefix):], what) }, dir, kind.units)
		}
	}
	if found == 0 {
		return ErrNoData
	}
	return nil
}
