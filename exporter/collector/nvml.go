package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/exporter/nvml"
	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "nvml", Summary: "utilization, memory, temperatures, power, clocks, links, errors and processes of each NVIDIA GPU and MIG instance",
		Source: "NVML (libnvidia-ml.so.1); names of dcgm-exporter", New: func() Collector { return &gpus{MaxProcesses: 16} },
	})
}

// gpus publishes the NVIDIA GPUs.
type gpus struct {
	Library      string `json:"library" help:"Path of libnvidia-ml.so.1; empty: where the dynamic linker finds it."`
	Hostname     string `json:"hostname" help:"Value of the label Hostname; empty: the node name of this host."`
	MaxProcesses int    `json:"max_processes" min:"0" max:"1000" help:"How many processes of each GPU, the largest first, are listed with their memory."`

	host   *Host
	reader interface {
		Read() nvml.Snapshot
		Close()
	}
	states []series
	known  map[nvml.Identity]*gpuSeries
	comm   file
}

// gpuSeries are the series of one GPU that stay.
type gpuSeries struct {
	labels, dcgmLabels []string
	up                 series
	values             []valueSeries // as gpuValues
	reasons            []series      // as nvml.ClockReasonBits
	xids               map[uint64]series
}

type valueSeries struct {
	dcgm []series
	base series // of no family where there is none
}

// maxGPUs bounds the GPUs that are kept: more than this are no host's.
const maxGPUs = 1024

func (c *gpus) Open(h *Host) error {
	c.host, c.known = h, map[nvml.Identity]*gpuSeries{}
	if c.reader == nil {
		c.reader = nvml.NewReader(nvml.Options{Library: c.Library})
	}
	for _, s := range nvml.States() {
		c.states = append(c.states, gpuState.with(string(s)))
	}
	return nil
}

// Close ends the wait for events and the use of the library.
func (c *gpus) Close() error {
	c.reader.Close()
	return nil
}

func (c *gpus) Families() []*Family {
	var out []*Family
	for _, v := range gpuValues {
		for _, f := range append(slices.Clone(v.dcgm), v.base) {
			if f != nil && !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return append(out, gpuReason, gpuLastXID, gpuXIDs, gpuProcesses, gpuProcMemory, gpuOmitted, gpuUp, gpuDriver, gpuState)
}

func (c *gpus) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	snapshot := c.reader.Read()
	for i, s := range nvml.States() {
		c.states[i].send(ch, truth(s == snapshot.State))
	}
	if snapshot.Driver != "" {
		gpuDriver.send(ch, 1, snapshot.Driver)
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

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (c *gpus) send(ch chan<- prometheus.Metric, g nvml.GPU) {
	s := c.of(g.Identity)
	if g.Instance == "" {
		s.up.send(ch, truth(!g.Lost))
	}
	for i, v := range gpuValues {
		x := g.Values[v.value]
		if math.IsNaN(x) {
			continue
		}
		for _, d := range s.values[i].dcgm {
			d.send(ch, whole(x*v.times))
		}
		if v.base != nil {
			s.values[i].base.send(ch, x*v.baseTimes)
		}
	}
	if bits := g.Values[nvml.ClockReasons]; !math.IsNaN(bits) {
		for i, r := range nvml.ClockReasonBits() {
			s.reasons[i].send(ch, truth(uint64(bits)&r.Bit != 0))
		}
	}
	if g.XIDs != nil {
		s.sendXIDs(ch, *g.XIDs)
	}
	if g.Processes != nil {
		c.sendProcesses(ch, s, g.Processes)
	}
}

func (s *gpuSeries) sendXIDs(ch chan<- prometheus.Metric, x nvml.XIDs) {
	gpuLastXID.sparse(s.dcgmLabels...).send(ch, float64(x.Last))
	counts := maps.Clone(x.Count)
	for _, xid := range commonXIDs {
		if _, ok := counts[xid]; !ok {
			counts[xid] = 0
		}
	}
	for xid, n := range counts {
		if _, ok := s.xids[xid]; !ok {
			s.xids[xid] = gpuXIDs.sparse(s.with(strconv.FormatUint(xid, 10))...)
		}
		s.xids[xid].send(ch, float64(n))
	}
	gpuXIDs.sparse(s.with("other")...).send(ch, float64(x.Other))
}

func (c *gpus) sendProcesses(ch chan<- prometheus.Metric, s *gpuSeries, list []nvml.Process) {
	list = merged(list)
	count := map[string]int{"compute": 0, "graphics": 0}
	for _, p := range list {
		count[use(p)]++
	}
	for kind, n := range count {
		gpuProcesses.sparse(s.with(kind)...).send(ch, float64(n))
	}
	listed := 0
	for _, p := range list {
		if listed >= c.MaxProcesses || math.IsNaN(p.Memory) {
			break
		}
		name, err := c.comm.readOne(c.host.proc(strconv.Itoa(p.PID) + "/comm"))
		if err != nil {
			name = nil // it has ended, or is in another process name space
		}
		gpuProcMemory.sparse(s.with(use(p), strconv.Itoa(p.PID), string(name))...).send(ch, p.Memory)
		listed++
	}
	gpuOmitted.sparse(s.labels...).send(ch, float64(len(list)-listed))
}

// merged returns each process once for each use, the largest first, those that tell no size last. A driver may list one several times.
func merged(list []nvml.Process) []nvml.Process {
	type key struct {
		pid      int
		graphics bool
	}
	at := map[key]int{}
	var out []nvml.Process
	for _, p := range list {
		i, ok := at[key{p.PID, p.Graphics}]
		switch {
		case !ok:
			at[key{p.PID, p.Graphics}] = len(out)
			out = append(out, p)
		case math.IsNaN(out[i].Memory):
			out[i].Memory = p.Memory
		case !math.IsNaN(p.Memory):
			out[i].Memory += p.Memory
		}
	}
	slices.SortFunc(out, func(a, b nvml.Process) int {
		return cmp.Or(cmp.Compare(size(b), size(a)), cmp.Compare(a.PID, b.PID), cmp.Compare(use(a), use(b)))
	})
	return out
}

func use(p nvml.Process) string {
	if p.Graphics {
		return "graphics"
	}
	return "compute"
}

func size(p nvml.Process) float64 {
	if math.IsNaN(p.Memory) {
		return -1
	}
	return p.Memory
}

// with returns the labels of the GPU and more.
func (s *gpuSeries) with(more ...string) []string { return append(slices.Clone(s.labels), more...) }

// of returns the series of a GPU.
func (c *gpus) of(id nvml.Identity) *gpuSeries {
	if s, ok := c.known[id]; ok {
		return s
	}
	host := c.Hostname
	if u, err := c.host.Uname(); host == "" && err == nil {
		host = u.Nodename
	}
	index := strconv.Itoa(id.Index)
	s := &gpuSeries{
		labels:     []string{index, id.UUID, id.PCIBusID, id.Device, id.Name, id.Instance, id.Profile},
		dcgmLabels: []string{index, id.UUID, id.PCIBusID, id.Device, id.Name, host, id.Instance, id.Profile},
		xids:       map[uint64]series{},
	}
	s.up = gpuUp.sparse(s.labels...)
	for _, v := range gpuValues {
		var one valueSeries
		for _, f := range v.dcgm {
			one.dcgm = append(one.dcgm, f.sparse(s.dcgmLabels...))
		}
		switch {
		case v.base != nil && v.label != "":
			one.base = v.base.sparse(s.with(v.label)...)
		case v.base != nil:
			one.base = v.base.sparse(s.labels...)
		}
		s.values = append(s.values, one)
	}
	for _, r := range nvml.ClockReasonBits() {
		s.reasons = append(s.reasons, gpuReason.sparse(s.with(r.Name)...))
	}
	if len(c.known) >= maxGPUs {
		clear(c.known)
	}
	c.known[id] = s
	return s
}
