package collector

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "time", Summary: "system time, time zone and clock source",
		Source: "clock_gettime(2), /sys/devices/system/clocksource", New: func() Collector { return &clock{} },
	})
}

var (
	timeSeconds   = gauge("node_time_seconds", "System time in seconds since epoch (1970).")
	timeZone      = gauge("node_time_zone_offset_seconds", "System time zone offset in seconds.", "time_zone")
	timeAvailable = gauge("node_time_clocksource_available_info", "Available clocksources read from '/sys/devices/system/clocksource'.", "device", "clocksource")
	timeCurrent   = gauge("node_time_clocksource_current_info", "Current clocksource read from '/sys/devices/system/clocksource'.", "device", "clocksource")
)

type clock struct {
	now     func() time.Time
	sources []string // /sys/devices/system/clocksource/clocksource*
	file    file
}

func (c *clock) Open(h *Host) error {
	c.now = h.Now
	dir := h.sys("devices/system/clocksource")
	entries, _ := os.ReadDir(dir) // a machine without this part of sysfs still has a time
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "clocksource") {
			c.sources = append(c.sources, filepath.Join(dir, e.Name()))
		}
	}
	return nil
}

func (c *clock) Families() []*Family {
	return []*Family{timeSeconds, timeZone, timeAvailable, timeCurrent}
}

func (c *clock) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	now := c.now()
	timeSeconds.with().send(ch, float64(now.UnixNano())/1e9)
	zone, offset := now.Zone()
	timeZone.send(ch, float64(offset), zone)
	for i, dir := range c.sources {
		device := strconv.Itoa(i)
		if b, err := c.file.readOne(filepath.Join(dir, "available_clocksource")); err == nil {
			for _, name := range strings.Fields(string(b)) {
				timeAvailable.send(ch, 1, device, name)
			}
		}
		if b, err := c.file.readOne(filepath.Join(dir, "current_clocksource")); err == nil {
			timeCurrent.send(ch, 1, device, string(b))
		}
	}
	return nil
}
