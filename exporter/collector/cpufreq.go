package collector

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "cpufreq", Summary: "frequency of each CPU, its bounds, and the governor",
		Source: "/sys/devices/system/cpu/cpu*/cpufreq, Documentation/admin-guide/pm/cpufreq.rst", New: func() Collector { return &cpufreq{} },
	})
}

// cpufreqUnits are in kHz. The current one is for root only.
var cpufreqUnits = []unit{
	{"cpuinfo_cur_freq", gauge("node_cpu_frequency_hertz", "Current CPU thread frequency in hertz.", "cpu"), 1000},
	{"cpuinfo_avg_freq", gauge("node_cpu_frequency_avg_hertz", "Average CPU thread frequency in hertz.", "cpu"), 1000},
	{"cpuinfo_min_freq", gauge("node_cpu_frequency_min_hertz", "Minimum CPU thread frequency in hertz.", "cpu"), 1000},
	{"cpuinfo_max_freq", gauge("node_cpu_frequency_max_hertz", "Maximum CPU thread frequency in hertz.", "cpu"), 1000},
	{"scaling_cur_freq", gauge("node_cpu_scaling_frequency_hertz", "Current scaled CPU thread frequency in hertz.", "cpu"), 1000},
	{"scaling_min_freq", gauge("node_cpu_scaling_frequency_min_hertz", "Minimum scaled CPU thread frequency in hertz.", "cpu"), 1000},
	{"scaling_max_freq", gauge("node_cpu_scaling_frequency_max_hertz", "Maximum scaled CPU thread frequency in hertz.", "cpu"), 1000},
}

var cpufreqGovernor = gauge("node_cpu_scaling_governor", "Current enabled CPU frequency governor.", "cpu", "governor")

// cpufreqWorkers is how many CPUs are asked at the same time: some kernels wait up to 20 ms for the frequency of a CPU that sleeps.
const cpufreqWorkers = 32

type cpufreq struct {
	dir   string
	files [cpufreqWorkers]file
}

func (c *cpufreq) Open(h *Host) error { c.dir = h.sys("devices/system/cpu"); return nil }

func (c *cpufreq) Families() []*Family {
	var out []*Family
	for _, u := range cpufreqUnits {
		out = append(out, u.f)
	}
	return append(out, cpufreqGovernor)
}

func (c *cpufreq) Update(ctx context.Context, ch chan<- prometheus.Metric) error {
	names, err := numbered(c.dir, "cpu")
	if err != nil {
		return fmt.Errorf("listing CPUs: %w", err)
	}
	// Where the first CPU has no frequency, none has: virtual machines are many.
	if c.files[0].text(c.dir+"/"+names[0]+"/cpufreq/scaling_driver") == "" {
		if some, err := list(c.dir+"/"+names[0]+"/cpufreq", ""); err != nil || len(some) == 0 {
			return ErrNoData
		}
	}
	var wg sync.WaitGroup
	for w := range min(cpufreqWorkers, len(names)) {
		wg.Go(func() {
			for i := w; i < len(names) && ctx.Err() == nil; i += cpufreqWorkers {
				c.send(ch, &c.files[w], names[i])
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

func (c *cpufreq) send(ch chan<- prometheus.Metric, f *file, name string) {
	dir, cpu := c.dir+"/"+name+"/cpufreq", name[len("cpu"):]
	f.sendUnits(func(family *Family, v float64) { family.send(ch, v, cpu) }, dir, cpufreqUnits)
	governor := f.text(dir + "/scaling_governor")
	if governor == "" {
		return
	}
	for _, g := range strings.Fields(f.text(dir + "/scaling_available_governors")) {
		v := 0.0
		if g == governor {
			v = 1
		}
		cpufreqGovernor.send(ch, v, cpu, g)
	}
}
