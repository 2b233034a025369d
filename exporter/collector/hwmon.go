package collector

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "hwmon", Summary: "temperatures, fans, voltages, currents and power of the sensors on the board",
		Source: "/sys/class/hwmon, Documentation/hwmon/sysfs-interface.rst", New: func() Collector { return &hwmon{} },
	})
}

var (
	hwmonChipNames   = gauge("node_hwmon_chip_names", "Annotation metric for human-readable chip names", "chip", "chip_name")
	hwmonSensorLabel = gauge("node_hwmon_sensor_label", "Label for given chip and sensor", "chip", "sensor", "label")
)

type hwmon struct {
	ChipInclude   string `json:"chip_include" help:"Regexp of chips to publish; not together with chip-exclude."`
	ChipExclude   string `json:"chip_exclude" help:"Regexp of chips to leave out; not together with chip-include."`
	SensorInclude string `json:"sensor_include" help:"Regexp of sensors to publish, as chip;sensor; not together with sensor-exclude."`
	SensorExclude string `json:"sensor_exclude" help:"Regexp of sensors to leave out, as chip;sensor; not together with sensor-include."`

	dir            string
	file           file
	chips, sensors *filter
	families       map[string]*Family
}

// chip is one directory of /sys/class/hwmon.
type chip struct {
	dir, base, name string // base is made from the device, name is what the driver says
	sensors         map[string]map[string]string
}

func (c *hwmon) Validate() error {
	_, _, err := c.filters()
	return err
}

func (c *hwmon) filters() (chips, sensors *filter, err error) {
	if chips, err = newFilter("chip", c.ChipExclude, "", c.ChipInclude); err != nil {
		return nil, nil, err
	}
	sensors, err = newFilter("sensor", c.SensorExclude, "", c.SensorInclude)
	return chips, sensors, err
}

func (c *hwmon) Open(h *Host) (err error) {
	c.dir, c.families = h.sys("class/hwmon"), map[string]*Family{}
	c.chips, c.sensors, err = c.filters()
	return err
}

func (c *hwmon) Families() []*Family {
	return []*Family{
		hwmonChipNames, hwmonSensorLabel,
		gauge("node_hwmon_<field>", "Value of a sensor in its base unit: one family for each type and property, as node_hwmon_temp_celsius, "+
			"node_hwmon_temp_crit_celsius, node_hwmon_fan_rpm, node_hwmon_in_volts, node_hwmon_power_average_watt.", "chip", "sensor"),
	}
}

func (c *hwmon) Update(ctx context.Context, ch chan<- prometheus.Metric) error {
	names, err := list(c.dir, "hwmon")
	if err != nil {
		return fmt.Errorf("listing sensors: %w", err)
	}
	var chips []*chip
	same, alike := map[string]int{}, map[string]int{}
	for _, name := range names {
		k := c.identify(c.dir + "/" + name)
		chips = append(chips, k)
		same[k.base]++
		alike[k.base+"\x00"+k.name]++
	}
	if len(chips) == 0 {
		return ErrNoData
	}
	var failed error
	for _, k := range chips {
		label := k.base
		if same[k.base] > 1 { // several drivers for one device
			suffix := cleanSensorName(k.name)
			if suffix == "" || alike[k.base+"\x00"+k.name] > 1 {
				suffix = cleanSensorName(filepath.Base(k.dir))
			}
			label += "_" + suffix
		}
		if c.chips.drops([]byte(label)) {
			continue
		}
		if ctx.Err() != nil {
			return fmt.Errorf("reading sensors: %w", ctx.Err())
		}
		if err := c.read(k); err != nil && !errors.Is(err, ErrNoData) {
			failed = fmt.Errorf("reading the sensors of %s: %w", label, err)
			continue
		}
		c.send(ch, k, label)
	}
	return failed
}

// identify names a chip. The number of hwmonN depends on the order in which drivers were loaded, the device it belongs to does not.
func (c *hwmon) identify(dir string) *chip {
	k := &chip{dir: dir, name: c.file.text(dir + "/name")}
	if device, err := filepath.EvalSymlinks(dir + "/device"); err == nil {
		bus, name := cleanSensorName(filepath.Base(filepath.Dir(device))), cleanSensorName(filepath.Base(device))
		switch {
		case bus != "" && name != "":
			k.base = bus + "_" + name
		case name != "":
			k.base = name
		}
	}
	if k.base == "" {
		k.base = cleanSensorName(k.name)
	}
	if k.base == "" {
		k.base = cleanSensorName(filepath.Base(dir))
	}
	return k
}

// read takes all files of the chip that belong to a sensor; some drivers put them beside the device.
func (c *hwmon) read(k *chip) error {
	k.sensors = map[string]map[string]string{}
	for _, dir := range []string{k.dir, k.dir + "/device"} {
		names, err := list(dir, "")
		if err != nil {
			if dir == k.dir {
				return err
			}
			continue
		}
		for _, name := range names {
			kind, number, property, ok := splitSensor(name)
			if !ok || !slices.Contains(sensorKinds, kind) {
				continue
			}
			// A driver may answer EAGAIN or EIO for a sensor that is not wired: that one is left out.
			b, err := c.file.readOne(dir + "/" + name)
			if err != nil {
				continue
			}
			sensor := kind + strconv.Itoa(number)
			if k.sensors[sensor] == nil {
				k.sensors[sensor] = map[string]string{}
			}
			k.sensors[sensor][property] = string(b)
		}
	}
	return nil
}

func (c *hwmon) send(ch chan<- prometheus.Metric, k *chip, label string) {
	if name := cleanSensorName(k.name); name != "" {
		hwmonChipNames.send(ch, 1, label, name)
	}
	for sensor, properties := range k.sensors {
		if c.sensors.drops([]byte(label + ";" + sensor)) {
			continue
		}
		if text, ok := properties["label"]; ok {
			hwmonSensorLabel.send(ch, 1, label, sensor, text)
		}
		kind, _, _, _ := splitSensor(sensor)
		for property, text := range properties {
			m, ok := sensorMetric(kind, property, text, properties)
			if !ok {
				continue
			}
			f := c.families[m.name] // the first help text stays: one family must not have two
			if f == nil {
				if len(c.families) >= maxFields {
					continue
				}
				f = newFamily(m.name, m.help, m.kind, []string{"chip", "sensor"})
				c.families[m.name] = f
			}
			name := sensor
			if m.sensor != "" {
				name = m.sensor
			}
			f.send(ch, m.value, label, name)
		}
	}
}

// splitSensor cuts a file name into kind, number and property: temp1_crit_alarm is temp, 1, crit_alarm.
func splitSensor(name string) (kind string, number int, property string, ok bool) {
	end := strings.IndexAny(name, "0123456789")
	if end == 0 || name == "" {
		return "", 0, "", false
	}
	if end < 0 { // no number: update_interval and beep_enable, or no file of a sensor
		return name, 0, "", true
	}
	rest := strings.TrimLeft(name[end:], "0123456789")
	number, err := strconv.Atoi(name[end : len(name)-len(rest)])
	if err != nil {
		return "", 0, "", false
	}
	if rest == "" {
		return name[:end], number, "", true
	}
	property, ok = strings.CutPrefix(rest, "_")
	return name[:end], number, property, ok && property != ""
}

// cleanSensorName makes a device name part of a label: lower case, and _ for all but letters, digits and colons.
func cleanSensorName(name string) string {
	lower := strings.Map(func(r rune) rune {
		if r == '_' || r == ':' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	return strings.Trim(lower, "_")
}
