package collector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "utilization", Summary: "how busy CPU, memory and network interfaces are, from 0 to 1",
		Source: "/proc/stat, /proc/meminfo, /sys/class/net, and the counters of netdev",
		New:    func() Collector { return &utilization{Window: registry.Duration(time.Minute)} },
	})
}

var (
	ratioCPU    = gauge("foreshock_host_cpu_utilization_ratio", "Share of the time of all CPUs in which they worked, 0 to 1, over the window: neither idle, nor waiting for disks, nor taken by other virtual machines.")
	ratioMemory = gauge("foreshock_host_memory_utilization_ratio", "Share of the memory that is not available to programs, 0 to 1: 1 - MemAvailable/MemTotal.")
	ratioNet    = gauge("foreshock_host_network_utilization_ratio", "Busier direction of the interface as a share of the speed of its link, 0 to 1, over the window; only where the driver tells a speed.", "device")
	ratioWindow = gauge("foreshock_host_utilization_window_seconds", "Over what time the CPU and network ratios of this scrape were taken.")
)

// sampleEvery is the time between two samples. It does not depend on scrapes: with two Prometheus servers "since the last scrape" would be two windows.
const sampleEvery = 5 * time.Second

// utilization takes a sample of the counters every 5 s and publishes their growth over the window, whoever scrapes and how often.
type utilization struct {
	Window registry.Duration `json:"window" help:"Over what time the CPU and network ratios are taken, in steps of 5s." min:"5" max:"3600"`

	host   *Host
	sysNet string

	mu      sync.Mutex // guards what follows: Run and Update both sample
	file    file
	samples []usage // oldest first; at most the window and one more
}

// usage is one sample of the counters. Times are of the monotonic clock, so a clock that is set does not matter.
type usage struct {
	at          time.Time
	busy, total uint64 // in ticks, of all CPUs
	links       map[string]traffic
}

// traffic is what one interface has carried, and its speed in bytes a second; 0 when it is not known.
type traffic struct {
	rx, tx uint64
	speed  float64
	half   bool
}

func (c *utilization) Open(h *Host) error {
	c.host, c.sysNet = h, h.sys("class/net")
	return nil
}

func (c *utilization) Families() []*Family {
	return []*Family{ratioCPU, ratioMemory, ratioNet, ratioWindow}
}

// Run takes the samples.
func (c *utilization) Run(ctx context.Context) error {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		c.mu.Lock()
		err := c.sample()
		c.mu.Unlock()
		if err != nil {
			c.host.Log.Debug("A sample of CPU and network failed", "err", err) // Update tells it
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Update publishes the ratios. Before there are two samples there is no ratio over time.
func (c *utilization) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.memory(ch)
	// Where nothing calls Run, or it was held up, a scrape takes the sample.
	if n := len(c.samples); n == 0 || c.host.Now().Sub(c.samples[n-1].at) > 4*sampleEvery {
		if err := errors.Join(err, c.sample()); err != nil {
			return err
		}
	}
	first, last := &c.samples[0], &c.samples[len(c.samples)-1]
	window := last.at.Sub(first.at).Seconds()
	if window <= 0 {
		return err
	}
	ratioWindow.with().send(ch, window)
	if last.total > first.total && last.busy >= first.busy { // a CPU that was unplugged takes its counters along
		ratioCPU.with().send(ch, min(float64(last.busy-first.busy)/float64(last.total-first.total), 1))
	}
	for _, name := range slices.Sorted(maps.Keys(last.links)) {
		now, before := last.links[name], first.links[name]
		if now.speed <= 0 || before.speed != now.speed || now.rx < before.rx || now.tx < before.tx {
			continue // not known, or a new interface of the same name
		}
		rx, tx := float64(now.rx-before.rx), float64(now.tx-before.tx)
		carried := max(rx, tx)
		if now.half {
			carried = rx + tx
		}
		ratioNet.send(ch, min(carried/window/now.speed, 1), name)
	}
	return err
}

func (c *utilization) memory(ch chan<- prometheus.Metric) error {
	b, err := c.file.read(c.host.proc("meminfo"))
	if err != nil {
		return fmt.Errorf("reading memory information: %w", err)
	}
	v := map[string]float64{}
	if err := eachMemory(b, func(field []byte, _ bool, n uint64) error { v[string(field)] = float64(n); return nil }); err != nil {
		return err
	}
	available, ok := v["MemAvailable"]
	if !ok { // before Linux 3.14
		available = v["MemFree"] + v["Buffers"] + v["Cached"] + v["SReclaimable"]
	}
	if v["MemTotal"] > 0 {
		ratioMemory.with().send(ch, 1-min(available/v["MemTotal"], 1))
	}
	return nil
}

// sample reads the counters and drops samples that are older than the window needs.
func (c *utilization) sample() error {
	s := usage{at: c.host.Now(), links: map[string]traffic{}}
	b, err := c.file.read(c.host.proc("stat"))
	if err != nil {
		return fmt.Errorf("reading CPU times: %w", err)
	}
	if err := eachCPU(b, func(_ uint64, t *[cpuColumns]uint64) {
		busy := t[cpuUser] + t[cpuNice] + t[cpuSystem] + t[cpuIRQ] + t[cpuSoftIRQ] // guests are in user and nice
		s.busy += busy
		s.total += busy + t[cpuIdle] + t[cpuIowait] + t[cpuSteal]
	}); err != nil {
		return err
	}
	links, err := c.host.Links()
	for _, l := range links {
		dir := c.sysNet + "/" + l.Name
		t := traffic{rx: l.Stats.RxBytes, tx: l.Stats.TxBytes}
		if mbit, err := c.file.number(dir + "/speed"); err == nil && mbit > 0 {
			t.speed, t.half = mbit*1e6/8, c.file.text(dir+"/duplex") == "half"
		}
		s.links[l.Name] = t
	}
	c.samples = append(c.samples, s)
	for len(c.samples) > 2 && s.at.Sub(c.samples[1].at) >= c.Window.Std() {
		c.samples = c.samples[1:]
	}
	if err != nil {
		return fmt.Errorf("asking for network interfaces: %w", err)
	}
	return nil
}
