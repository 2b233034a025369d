package collector

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "powersupplyclass", Summary: "batteries, mains adapters and UPS that the kernel knows",
		Source: "/sys/class/power_supply, Documentation/ABI/testing/sysfs-class-power",
		New:    func() Collector { return &powerSupply{IgnoredSupplies: "^$"} },
	})
}

// powerUnits maps the files of a supply. The kernel tells volts, amperes, watts and their hours in millionths, and temperatures in tenths.
var powerUnits = func() (out []unit) {
	add := func(factor float64, names ...string) {
		for i := 0; i < len(names); i += 2 {
			name := names[i+1]
			if name == "" {
				name = names[i]
			}
			out = append(out, unit{names[i], gauge("node_power_supply_"+name, name+" value of /sys/class/power_supply/<power_supply>.", "power_supply"), factor})
		}
	}
	add(1, "authentic", "", "calibrate", "", "capacity", "", "capacity_alert_max", "", "capacity_alert_min", "", "cycle_count", "cyclecount", "online", "",
		"present", "", "time_to_empty_now", "time_to_empty_seconds", "time_to_full_now", "time_to_full_seconds")
	add(1e-6, "current_boot", "", "current_max", "", "current_now", "current_ampere", "energy_empty", "", "energy_empty_design", "", "energy_full", "",
		"energy_full_design", "", "energy_now", "energy_watthour", "voltage_boot", "", "voltage_max", "", "voltage_max_design", "", "voltage_min", "",
		"voltage_min_design", "", "voltage_now", "voltage_volt", "voltage_ocv", "", "charge_control_limit", "", "charge_control_limit_max", "",
		"charge_counter", "", "charge_empty", "", "charge_empty_design", "", "charge_full", "", "charge_full_design", "", "charge_now", "charge_ampere",
		"charge_term_current", "", "constant_charge_current", "", "constant_charge_current_max", "", "constant_charge_voltage", "",
		"constant_charge_voltage_max", "", "precharge_current", "", "input_current_limit", "", "power_now", "power_watt")
	add(0.1, "temp", "temp_celsius", "temp_alert_max", "temp_alert_max_celsius", "temp_alert_min", "temp_alert_min_celsius",
		"temp_ambient", "temp_ambient_celsius", "temp_ambient_max", "temp_ambient_max_celsius", "temp_ambient_min", "temp_ambient_min_celsius",
		"temp_max", "temp_max_celsius", "temp_min", "temp_min_celsius")
	return out
}()

var powerInfo = gauge("node_power_supply_info", "info of /sys/class/power_supply/<power_supply>.", "power_supply", "capacity_level", "charge_type", "health",
	"manufacturer", "model_name", "serial_number", "status", "technology", "type", "usb_type", "scope")

type powerSupply struct {
	IgnoredSupplies string `json:"ignored_supplies" help:"Regexp of power supplies to leave out."`

	dir    string
	file   file
	filter *filter
}

func (c *powerSupply) Validate() error {
	_, err := compile("ignored-supplies", c.IgnoredSupplies)
	return err
}

func (c *powerSupply) Open(h *Host) (err error) {
	c.dir = h.sys("class/power_supply")
	c.filter, err = newFilter("ignored-supplies", c.IgnoredSupplies, "", "")
	return err
}

func (c *powerSupply) Families() []*Family {
	var out []*Family
	for _, u := range powerUnits {
		out = append(out, u.f)
	}
	return append(out, powerInfo)
}

func (c *powerSupply) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	names, err := list(c.dir, "")
	if err != nil {
		return fmt.Errorf("listing power supplies: %w", err)
	}
	found := false
	for _, name := range names {
		if c.filter.drops([]byte(name)) {
			continue
		}
		found = true
		dir := c.dir + "/" + name
		c.file.sendUnits(func(f *Family, v float64) { f.send(ch, v, name) }, dir, powerUnits)
		values := []string{name}
		for _, label := range powerInfo.Labels[1:] {
			values = append(values, c.file.text(dir+"/"+label))
		}
		powerInfo.sparse(values...).send(ch, 1)
	}
	if !found {
		return ErrNoData
	}
	return nil
}
