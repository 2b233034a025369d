//go:build cgo && linux

package nvml

import (
	"fmt"
	"math"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// gone reports whether the code means that the GPU fell off the bus or must be reset.
func gone(ret nvml.Return) bool {
	return ret == nvml.ERROR_GPU_IS_LOST || ret == nvml.ERROR_RESET_REQUIRED || ret == nvml.ERROR_GPU_NOT_FOUND
}

// enumerate fills r.devices with every GPU of the driver and what identifies it.
func (r *Reader) enumerate() nvml.Return {
	count, ret := r.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return ret
	}
	r.devices = nil
	for i := range count {
		d := &device{id: Identity{Index: i, Device: fmt.Sprintf("nvidia%d", i)}}
		if h, ret := r.lib.DeviceGetHandleByIndex(i); ret == nvml.SUCCESS {
			d.handle = h
			r.identify(d)
		}
		if d.id.UUID != "" {
			r.known[d.id.UUID] = d.id
		}
		r.devices = append(r.devices, d)
	}
	r.driver = ""
	if r.symbols.has("nvmlSystemGetDriverVersion") {
		if v, ret := r.lib.SystemGetDriverVersion(); ret == nvml.SUCCESS {
			r.driver = v
		}
	}
	r.watch()
	return nvml.SUCCESS
}

// identify asks for what stays the same while the library is in use.
func (r *Reader) identify(d *device) {
	if r.symbols.has("nvmlDeviceGetUUID") {
		if v, ret := d.handle.GetUUID(); ret == nvml.SUCCESS {
			d.id.UUID = v
		}
	}
	if r.symbols.has("nvmlDeviceGetName") {
		if v, ret := d.handle.GetName(); ret == nvml.SUCCESS {
			d.id.Name = v
		}
	}
	if r.symbols.has("nvmlDeviceGetMinorNumber") {
		if v, ret := d.handle.GetMinorNumber(); ret == nvml.SUCCESS && v >= 0 && v < math.MaxInt32 {
			d.id.Device = fmt.Sprintf("nvidia%d", v)
		}
	}
	if r.symbols.has("nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo") {
		if v, ret := d.handle.GetPciInfo(); ret == nvml.SUCCESS {
			if d.id.PCIBusID = text(v.BusId[:]); d.id.PCIBusID == "" {
				d.id.PCIBusID = text(v.BusIdLegacy[:])
			}
		}
	}
}

// text reads a C string.
func text(b []uint8) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// ask returns the GPU with its values, and after it its MIG instances. What the GPU does not support, or tells in a form that cannot be true, stays
// NaN.
func (r *Reader) ask(d *device) []GPU {
	g := GPU{Identity: d.id, Values: Unknown()}
	lost := []GPU{{Identity: d.id, Values: Unknown(), Lost: true, XIDs: r.xids.of(d.id.UUID)}}
	if d.handle == nil {
		return lost
	}
	if r.readFields(d, &g.Values) {
		return lost
	}
	for _, c := range calls {
		if r.symbols.has(c.symbols...) && c.wanted(&g.Values) && gone(c.ask(d.handle, &g.Values)) {
			return lost
		}
	}
	g.XIDs = r.xids.of(d.id.UUID)
	processes := r.processes(d.handle)
	if g.Values[MIGMode] != 1 {
		g.Processes = flat(processes)
		return []GPU{g}
	}
	return append([]GPU{g}, r.instances(d, processes)...)
}

// instances returns the MIG instances of a GPU. Several compute instances share the memory of one GPU instance; the GPU instance is what is listed.
func (r *Reader) instances(d *device, processes map[string][]Process) []GPU {
	if !r.symbols.has("nvmlDeviceGetMaxMigDeviceCount") || !r.symbols.has("nvmlDeviceGetMigDeviceHandleByIndex") || !r.symbols.has("nvmlDeviceGetGpuInstanceId") {
		return nil
	}
	count, ret := d.handle.GetMaxMigDeviceCount()
	if ret != nvml.SUCCESS {
		return nil
	}
	var out []GPU
	seen := map[string]bool{}
	for i := range count {
		h, ret := d.handle.GetMigDeviceHandleByIndex(i)
		if ret != nvml.SUCCESS {
			continue // the places between instances are empty
		}
		id, ret := h.GetGpuInstanceId()
		if ret != nvml.SUCCESS || seen[fmt.Sprint(id)] {
			continue
		}
		g := GPU{Identity: d.id, Values: Unknown()}
		g.Instance = fmt.Sprint(id)
		seen[g.Instance] = true
		if r.symbols.has("nvmlDeviceGetName") {
			if name, ret := h.GetName(); ret == nvml.SUCCESS { // "NVIDIA H200 MIG 1g.18gb"
				_, g.Profile, _ = strings.Cut(name, " MIG ")
			}
		}
		for _, c := range calls {
			if c.instance && r.symbols.has(c.symbols...) && c.wanted(&g.Values) {
				_ = c.ask(h, &g.Values) // what an instance does not tell stays unknown
			}
		}
		g.Processes = processes[g.Instance]
		out = append(out, g)
	}
	return out
}

// processes returns the processes of a GPU by the GPU instance that they run in, "" for the whole GPU; nil where the driver does not tell.
func (r *Reader) processes(h nvml.Device) map[string][]Process {
	out := map[string][]Process{}
	known := false
	for _, kind := range []struct {
		name     string
		list     func() ([]nvml.ProcessInfo, nvml.Return)
		graphics bool
	}{{"nvmlDeviceGetComputeRunningProcesses", h.GetComputeRunningProcesses, false}, {"nvmlDeviceGetGraphicsRunningProcesses", h.GetGraphicsRunningProcesses, true}} {
		if !r.symbols.has(kind.name+"_v3", kind.name+"_v2", kind.name) {
			continue
		}
		list, ret := kind.list()
		if ret != nvml.SUCCESS {
			continue
		}
		known = true
		for _, p := range list {
			instance, memory := "", float64(p.UsedGpuMemory)
			if p.GpuInstanceId != math.MaxUint32 {
				instance = fmt.Sprint(p.GpuInstanceId)
			}
			if blank(memory) {
				memory = math.NaN()
			}
			out[instance] = append(out[instance], Process{PID: int(p.Pid), Graphics: kind.graphics, Memory: memory})
		}
	}
	if !known {
		return nil
	}
	return out
}

// flat joins the processes of all instances: drivers without MIG leave the number of the instance at 0.
func flat(m map[string][]Process) []Process {
	if m == nil {
		return nil
	}
	out := []Process{}
	for _, list := range m {
		out = append(out, list...)
	}
	return out
}
