package collector

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	cpuInfoFamily = gauge("node_cpu_info", "CPU information from /proc/cpuinfo.",
		"package", "core", "cpu", "vendor", "family", "model", "model_name", "microcode", "stepping", "cachesize")
	cpuFlagInfo = gauge("node_cpu_flag_info", "The `flags` field of CPU information from /proc/cpuinfo taken from the first core.", "flag")
	cpuBugInfo  = gauge("node_cpu_bug_info", "The `bugs` field of CPU information from /proc/cpuinfo taken from the first core.", "bug")
)

// cpuInfoFields are the fields of /proc/cpuinfo behind the labels of node_cpu_info, in their order.
var cpuInfoFields = []string{"physical id", "core id", "processor", "vendor_id", "cpu family", "model", "model name", "microcode", "stepping", "cache size"}

// cpuInfo publishes /proc/cpuinfo. It is off unless it is asked for: the kernel asks every CPU for its frequency when the file is read.
type cpuInfo struct {
	path        string
	on          bool
	flags, bugs *regexp.Regexp
	file        file
}

// compile takes the options. A pattern of flags or bugs turns the rest on, too, as at node_exporter.
func (c *cpuInfo) compile(o *cpu) (err error) {
	if c.flags, err = compile("info-flags-include", o.InfoFlagsInclude); err != nil {
		return err
	}
	if c.bugs, err = compile("info-bugs-include", o.InfoBugsInclude); err != nil {
		return err
	}
	c.on = o.Info || c.flags != nil || c.bugs != nil
	return nil
}

func (c *cpuInfo) update(ch chan<- prometheus.Metric) error {
	if !c.on {
		return nil
	}
	b, err := c.file.read(c.path)
	if err != nil {
		return fmt.Errorf("reading CPU information: %w", err)
	}
	first := true
	eachCPUInfo(b, func(v map[string]string) {
		values := make([]string, len(cpuInfoFields))
		for i, field := range cpuInfoFields {
			values[i] = v[field]
		}
		cpuInfoFamily.send(ch, 1, values...)
		if first {
			sendWords(ch, cpuFlagInfo, c.flags, v["flags"])
			sendWords(ch, cpuBugInfo, c.bugs, v["bugs"])
		}
		first = false
	})
	return nil
}

func sendWords(ch chan<- prometheus.Metric, f *Family, keep *regexp.Regexp, words string) {
	if keep == nil {
		return
	}
	for _, w := range strings.Fields(words) {
		if keep.MatchString(w) {
			f.send(ch, 1, w)
		}
	}
}

// eachCPUInfo calls yield for each block of /proc/cpuinfo that begins with a processor number. What other architectures have before or after is left out.
func eachCPUInfo(b []byte, yield func(v map[string]string)) {
	var v map[string]string
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		key, text := string(trimSpace(name)), string(trimSpace(value))
		if key == "processor" {
			if _, err := parseUint([]byte(text)); err != nil {
				continue // on old ARM kernels the model of the whole
			}
			if v != nil {
				yield(v)
			}
			v = map[string]string{}
		}
		if v != nil {
			v[key] = text
		}
	}
	if v != nil {
		yield(v)
	}
}
