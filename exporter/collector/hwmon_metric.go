package collector

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// sensorKinds are the types of sensors that are read.
var sensorKinds = []string{
	"vrm", "beep_enable", "update_interval", "in", "cpu", "fan", "pwm", "temp", "curr", "power", "energy", "humidity", "intrusion", "freq",
}

// sensorValue is what becomes of one file of a sensor.
type sensorValue struct {
	name, help string
	kind       prometheus.ValueType
	value      float64
	sensor     string // another value for the label sensor, or ""
}

// sensorMetric turns the property of a sensor into a metric in base units: millivolts, millidegrees, milliamperes, microwatts and microjoules are what the
// kernel tells. A text that is no number, as intrusion's, is no metric.
func sensorMetric(kind, property, text string, all map[string]string) (sensorValue, bool) {
	if property == "label" {
		return sensorValue{}, false
	}
	if kind == "beep_enable" {
		v := 0.0
		if text == "1" {
			v = 1
		}
		return sensorValue{name: "node_hwmon_beep_enabled", help: "Hardware beep enabled", kind: prometheus.GaugeValue, value: v}, true
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return sensorValue{}, false
	}
	name := "node_hwmon_" + kind
	if property == "input" {
		if _, both := all[""]; both { // the plain file of the sensor has taken the plain name
			name += "_input"
		}
	} else if property != "" {
		name += "_" + cleanSensorName(property)
	}
	m := sensorValue{name: name, kind: prometheus.GaugeValue, value: v}
	set := func(suffix, help string, value float64) (sensorValue, bool) {
		m.name, m.help, m.value = m.name+suffix, help, value
		return m, true
	}
	switch {
	case kind == "vrm":
		m.name = "node_hwmon_voltage_regulator_version"
		return set("", "Hardware voltage regulator", v)
	case kind == "update_interval":
		m.name = "node_hwmon_update_interval_seconds"
		return set("", "Hardware monitor update interval", v*0.001)
	case property == "fault", property == "alarm":
		return set("", "Hardware sensor "+property+" status ("+kind+")", v)
	case property == "beep":
		return set("_enabled", "Hardware monitor sensor has beeping enabled", v)
	case kind == "in", kind == "cpu":
		return set("_volts", "Hardware monitor for voltage ("+property+")", v*0.001)
	case kind == "temp" && property != "type":
		if property == "" {
			property = "input"
		}
		return set("_celsius", "Hardware monitor for temperature ("+property+")", v*0.001)
	case kind == "curr":
		return set("_amps", "Hardware monitor for current ("+property+")", v*0.001)
	case kind == "energy":
		m.kind = prometheus.CounterValue
		return set("_joule_total", "Hardware monitor for joules used so far ("+property+")", v/1e6)
	case kind == "power" && property == "accuracy":
		return set("", "Hardware monitor power meter accuracy, as a ratio", v/1e6)
	case kind == "power" && strings.HasPrefix(property, "average_interval"):
		return set("_seconds", "Hardware monitor power usage update interval ("+property+")", v*0.001)
	case kind == "power":
		return set("_watt", "Hardware monitor for power usage in watts ("+property+")", v/1e6)
	case kind == "humidity":
		return set("", "Hardware monitor for humidity, as a ratio (multiply with 100.0 to get the humidity as a percentage) ("+property+")", v/1e6)
	case kind == "fan" && (property == "input" || property == "min" || property == "max" || property == "target"):
		return set("_rpm", "Hardware monitor for fan revolutions per minute ("+property+")", v)
	case kind == "freq" && property == "input":
		label, ok := all["label"]
		if !ok {
			return sensorValue{}, false
		}
		m.sensor = cleanSensorName(label)
		return set("_freq_mhz", "Hardware monitor for GPU frequency in MHz", v/1e6)
	}
	return set("", "Hardware monitor "+kind+" element "+property, v)
}
