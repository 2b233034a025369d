package nvml

import "math"

// blank reports what drivers, and DCGM's layer over them, leave where they do not know: all bits set in 32 or 64 bits, and from DCGM's dcgm_structs.h
// DCGM_INT32_BLANK, DCGM_INT64_BLANK and DCGM_FP64_BLANK with the three codes after each (not found, not supported, not permitted).
func blank(x float64) bool {
	switch {
	case math.IsNaN(x), math.IsInf(x, 0):
		return true
	case x == math.MaxUint32, x >= 0x7ffffff0 && x <= 0x7ffffff3:
		return true
	case x >= 1<<62: // the 64-bit ones; no true value comes near
		return true
	case x >= 140737488355328 && x <= 140737488355331:
		return true
	}
	return false
}

// set stores a value that can be true. One that cannot stays unknown.
func (v *Values) set(which Value, x float64) {
	if limit, ok := limits[which]; blank(x) || ok && (x < limit.low || x > limit.high) || !ok && x < 0 {
		return
	}
	v[which] = x
}

// limits of values that have some; the others are not negative. A chip is between -100 and 254 degrees: drivers leave 255 where they do not know.
var limits = map[Value]struct{ low, high float64 }{
	Utilization: {0, 100}, MemoryUtilization: {0, 100}, EncoderUtilization: {0, 100}, DecoderUtilization: {0, 100},
	Temperature: {-100, 254}, MemoryTemperature: {-100, 254}, SlowdownTemperature: {1, 254}, ShutdownTemperature: {1, 254},
	PerformanceState: {0, 15}, FanSpeed: {0, 255}, MIGMode: {0, 1}, RetiredPending: {0, 1}, RemapPending: {0, 1}, RemapFailure: {0, 1},
	PCIeGeneration: {1, 16}, PCIeWidth: {1, 64},
}

// setMemory takes sizes that can be true: a GPU has memory, and no more of it is used or free than there is.
func (v *Values) setMemory(total, used, free uint64) {
	if total == 0 || blank(float64(total)) {
		return
	}
	v.set(MemoryTotal, float64(total))
	if used <= total {
		v.set(MemoryUsed, float64(used))
	}
	if free <= total {
		v.set(MemoryFree, float64(free))
	}
}
