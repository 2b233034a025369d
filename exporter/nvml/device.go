//go:build cgo && linux

package nvml

import (
	"fmt"
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// invalid is what drivers leave in a 32-bit value that they do not know.
const invalid = math.MaxUint32

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
		d := device{id: unknown(GPU{Index: i, Device: fmt.Sprintf("nvidia%d", i)})}
		if h, ret := r.lib.DeviceGetHandleByIndex(i); ret == nvml.SUCCESS {
			d.handle = h
			r.identify(&d)
		}
		if d.id.UUID != "" {
			r.known[d.id.UUID] = d.id
		}
		r.devices = append(r.devices, d)
	}
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

// ask returns the GPU with its values. What the GPU does not support, or tells in a form that cannot be true, stays NaN.
func (r *Reader) ask(d device) GPU {
	g := d.id
	if d.handle == nil {
		g.Lost = true
		return g
	}
	for _, read := range []func(nvml.Device, *GPU) nvml.Return{r.utilization, r.memory, r.temperature, r.power} {
		if ret := read(d.handle, &g); gone(ret) {
			g = unknown(g)
			g.Lost = true
			return g
		}
	}
	return g
}

func (r *Reader) utilization(h nvml.Device, g *GPU) nvml.Return {
	if !r.symbols.has("nvmlDeviceGetUtilizationRates") {
		return nvml.ERROR_FUNCTION_NOT_FOUND
	}
	v, ret := h.GetUtilizationRates()
	if ret == nvml.SUCCESS && v.Gpu <= 100 {
		g.UtilizationPercent = float64(v.Gpu)
	}
	return ret
}

func (r *Reader) memory(h nvml.Device, g *GPU) nvml.Return {
	if r.symbols.has("nvmlDeviceGetMemoryInfo_v2") {
		v, ret := h.GetMemoryInfo_v2()
		switch {
		case ret == nvml.SUCCESS:
			g.setMemory(v.Total, v.Used, v.Free)
			return nvml.SUCCESS
		case gone(ret):
			return ret
		}
	}
	if !r.symbols.has("nvmlDeviceGetMemoryInfo") {
		return nvml.ERROR_FUNCTION_NOT_FOUND
	}
	v, ret := h.GetMemoryInfo()
	if ret == nvml.SUCCESS {
		g.setMemory(v.Total, v.Used, v.Free)
	}
	return ret
}

// setMemory takes sizes that can be true: a GPU has memory, and no more of it is used or free than there is.
func (g *GPU) setMemory(total, used, free uint64) {
	if total == 0 || total == math.MaxUint64 {
		return
	}
	g.MemoryTotal = float64(total)
	if used <= total {
		g.MemoryUsed = float64(used)
	}
	if free <= total {
		g.MemoryFree = float64(free)
	}
}

func (r *Reader) temperature(h nvml.Device, g *GPU) nvml.Return {
	ret := nvml.ERROR_FUNCTION_NOT_FOUND
	if r.symbols.has("nvmlDeviceGetTemperature") {
		var v uint32
		if v, ret = h.GetTemperature(nvml.TEMPERATURE_GPU); ret == nvml.SUCCESS {
			g.setTemperature(int64(v))
			return nvml.SUCCESS
		}
	}
	if !gone(ret) && r.symbols.has("nvmlDeviceGetTemperatureV") { // the older one is deprecated and may go
		var v nvml.Temperature
		if v, ret = h.GetTemperatureV().V1(); ret == nvml.SUCCESS {
			g.setTemperature(int64(v.Temperature))
		}
	}
	return ret
}

// setTemperature takes what a chip can have; drivers leave 0xFFFFFFFF or 255 where they do not know.
func (g *GPU) setTemperature(celsius int64) {
	if celsius > -100 && celsius < 255 {
		g.TemperatureCelsius = float64(celsius)
	}
}

func (r *Reader) power(h nvml.Device, g *GPU) nvml.Return {
	if !r.symbols.has("nvmlDeviceGetPowerUsage") {
		return nvml.ERROR_FUNCTION_NOT_FOUND
	}
	v, ret := h.GetPowerUsage()
	if ret == nvml.SUCCESS && v != invalid {
		g.PowerWatts = float64(v) / 1000
	}
	return ret
}
