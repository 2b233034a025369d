package collector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/exporter/nvml"
	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "nvml", Summary: "utilization, memory, temperature and power of each NVIDIA GPU",
		Source: "NVML (libnvidia-ml.so.1); names of dcgm-exporter", New: func() Collector { return &gpus{} },
	})
}

func dcgm(name, help string) *Family {
	return gauge("DCGM_FI_DEV_"+name, help, "gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname")
}

func gpuGauge(name, help string) *Family {
	return gauge("foreshock_gpu_"+name, help, "gpu", "uuid", "pci_bus_id", "device", "model")
}

// gpuValue is one value of a GPU under its two names: the one of dcgm-exporter in the units of DCGM, and one in base units. The value is divided by
// the unit.
type gpuValue struct {
	dcgm, base         *Family
	dcgmUnit, baseUnit float64
	of                 func(nvml.GPU) float64
}

// mebibyte is the unit of memory in DCGM.
const mebibyte = 1 << 20

var gpuValues = [...]gpuValue{
	{
		dcgm("GPU_UTIL", "GPU utilization (in %)."), gpuGauge("utilization_ratio", "Share of time in which the GPU ran a kernel, 0 to 1."),
		1, 100, func(g nvml.GPU) float64 { return g.UtilizationPercent },
	},
	{
		dcgm("FB_TOTAL", "Total framebuffer memory (in MiB)."), gpuGauge("memory_total_bytes", "Memory of the GPU."),
		mebibyte, 1, func(g nvml.GPU) float64 { return g.MemoryTotal },
	},
	{
		dcgm("FB_USED", "Framebuffer memory used (in MiB)."), gpuGauge("memory_used_bytes", "Memory of the GPU in use, without what the driver reserves."),
		mebibyte, 1, func(g nvml.GPU) float64 { return g.MemoryUsed },
	},
	{
		dcgm("FB_FREE", "Framebuffer memory free (in MiB)."), gpuGauge("memory_free_bytes", "Memory of the GPU that is free."),
		mebibyte, 1, func(g nvml.GPU) float64 { return g.MemoryFree },
	},
	{
		dcgm("GPU_TEMP", "GPU temperature (in C)."), gpuGauge("temperature_celsius", "Temperature of the GPU."),
		1, 1, func(g nvml.GPU) float64 { return g.TemperatureCelsius },
	},
	{
		dcgm("POWER_USAGE", "Power draw (in W)."), gpuGauge("power_watts", "Power that the GPU draws."),
		1, 1, func(g nvml.GPU) float64 { return g.PowerWatts },
	},
}

var (
	gpuState = gauge("foreshock_gpu_state", "State of the GPUs of this host: 1 for the state it is in, 0 for the others.", "state")
	gpuUp    = gpuGauge("up", "Whether the GPU answers; 0 for one that did and does not any more.")
)

// gpus publishes the NVIDIA GPUs.
type gpus struct {
	Library  string `json:"library" help:"Path of libnvidia-ml.so.1; empty: where the dynamic linker finds it."`
	Hostname string `json:"hostname" help:"Value of the label Hostname; empty: the node name of this host."`

	reader interface{ Read() nvml.Snapshot }
	uname  func() (Uname, error)
	states []series
	known  map[nvml.GPU]*gpuSeries // by the identity, without values
}

type gpuSeries struct {
	up         series
	dcgm, base [len(gpuValues)]series
}

// maxGPUs bounds the GPUs that are kept: more than this are no host's.
const maxGPUs = 1024

func (c *gpus) Open(h *Host) error {
	c.uname, c.known = h.Uname, map[nvml.GPU]*gpuSeries{}
	if c.reader == nil {
		c.reader = nvml.NewReader(nvml.Options{Library: c.Library})
	}
	for _, s := range nvml.States() {
		c.states = append(c.states, gpuState.with(string(s)))
	}
	return nil
}

func (c *gpus) Families() []*Family {
	var out []*Family
	for _, v := range gpuValues {
		out = append(out, v.dcgm, v.base)
	}
	return append(out, gpuUp, gpuState)
}

func (c *gpus) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	snapshot := c.reader.Read()
	for i, s := range nvml.States() {
		v := 0.0
		if s == snapshot.State {
			v = 1
		}
		c.states[i].send(ch, v)
	}
	for _, g := range snapshot.GPUs {
		c.send(ch, g)
	}
	switch snapshot.State {
	case nvml.LibraryMissing, nvml.NotBuilt, nvml.NoDevice:
		return fmt.Errorf("%w: %s", ErrNoData, snapshot.Detail)
	case nvml.DriverError:
		return errors.New(snapshot.Detail)
	}
	return nil
}

func (c *gpus) send(ch chan<- prometheus.Metric, g nvml.GPU) {
	s := c.of(g)
	up := 1.0
	if g.Lost {
		up = 0
	}
	s.up.send(ch, up)
	for i, v := range gpuValues {
		if x := v.of(g); !math.IsNaN(x) {
			s.dcgm[i].send(ch, x/v.dcgmUnit)
			s.base[i].send(ch, x/v.baseUnit)
		}
	}
}

// of returns the series of a GPU.
func (c *gpus) of(g nvml.GPU) *gpuSeries {
	id := nvml.GPU{Index: g.Index, UUID: g.UUID, PCIBusID: g.PCIBusID, Device: g.Device, Name: g.Name}
	if s, ok := c.known[id]; ok {
		return s
	}
	host := c.Hostname
	if u, err := c.uname(); host == "" && err == nil {
		host = u.Nodename
	}
	index := strconv.Itoa(g.Index)
	s := &gpuSeries{up: gpuUp.with(index, g.UUID, g.PCIBusID, g.Device, g.Name)}
	for i, v := range gpuValues {
		s.dcgm[i] = v.dcgm.with(index, g.UUID, g.PCIBusID, g.Device, g.Name, host)
		s.base[i] = v.base.with(index, g.UUID, g.PCIBusID, g.Device, g.Name)
	}
	if len(c.known) >= maxGPUs {
		clear(c.known)
	}
	c.known[id] = s
	return s
}
