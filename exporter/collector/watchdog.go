package collector

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "watchdog", Summary: "hardware watchdogs: state, time left, reason of the last boot",
		Source: "/sys/class/watchdog", New: func() Collector { return &watchdog{} },
	})
}

func watchdogGauge(name, file string) *Family {
	return gauge("node_watchdog_"+name, "Value of /sys/class/watchdog/<watchdog>/"+file, "name")
}

var (
	watchdogUnits = []unit{
		{"bootstatus", watchdogGauge("bootstatus", "bootstatus"), 1},
		{"fw_version", watchdogGauge("fw_version", "fw_version"), 1},
		{"nowayout", watchdogGauge("nowayout", "nowayout"), 1},
		{"timeleft", watchdogGauge("timeleft_seconds", "timeleft"), 1},
		{"timeout", watchdogGauge("timeout_seconds", "timeout"), 1},
		{"pretimeout", watchdogGauge("pretimeout_seconds", "pretimeout"), 1},
		{"access_cs0", watchdogGauge("access_cs0", "access_cs0"), 1},
	}
	watchdogInfo = gauge("node_watchdog_info", "Info of /sys/class/watchdog/<watchdog>", "name", "options", "identity", "state", "status", "pretimeout_governor")
)

type watchdog struct {
	dir  string
	file file
}

func (c *watchdog) Open(h *Host) error { c.dir = h.sys("class/watchdog"); return nil }

func (c *watchdog) Families() []*Family {
	var out []*Family
	for _, u := range watchdogUnits {
		out = append(out, u.f)
	}
	return append(out, watchdogInfo)
}

func (c *watchdog) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	names, err := list(c.dir, "watchdog")
	if err != nil {
		return fmt.Errorf("listing watchdogs: %w", err)
	}
	if len(names) == 0 {
		return ErrNoData
	}
	for _, name := range names {
		dir := c.dir + "/" + name
		c.file.sendUnits(func(f *Family, v float64) { f.send(ch, v, name) }, dir, watchdogUnits)
		values := []string{name}
		for _, label := range watchdogInfo.Labels[1:] {
			values = append(values, c.file.text(dir+"/"+label))
		}
		watchdogInfo.send(ch, 1, values...)
	}
	return nil
}
