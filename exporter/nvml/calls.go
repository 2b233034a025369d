//go:build cgo && linux

package nvml

import "github.com/NVIDIA/go-nvml/pkg/nvml"

// calls are in the order in which they are made. Later ones stand in for earlier ones, and for fields, that older drivers lack.
var calls = []call{
	{[]string{"nvmlDeviceGetUtilizationRates"}, []Value{Utilization, MemoryUtilization}, false, func(h nvml.Device, v *Values) nvml.Return {
		u, ret := h.GetUtilizationRates()
		if ret == nvml.SUCCESS {
			v.set(Utilization, float64(u.Gpu))
			v.set(MemoryUtilization, float64(u.Memory))
		}
		return ret
	}},
	{[]string{"nvmlDeviceGetMemoryInfo_v2"}, []Value{MemoryTotal}, true, func(h nvml.Device, v *Values) nvml.Return {
		m, ret := h.GetMemoryInfo_v2()
		if ret == nvml.SUCCESS {
			v.setMemory(m.Total, m.Used, m.Free)
			if m.Reserved <= m.Total && m.Total > 0 {
				v.set(MemoryReserved, float64(m.Reserved))
			}
		}
		return ret
	}},
	{[]string{"nvmlDeviceGetMemoryInfo"}, []Value{MemoryTotal}, true, func(h nvml.Device, v *Values) nvml.Return {
		m, ret := h.GetMemoryInfo()
		if ret == nvml.SUCCESS {
			v.setMemory(m.Total, m.Used, m.Free)
		}
		return ret
	}},
	scaled("nvmlDeviceGetTemperature", Temperature, 1, func(h nvml.Device) (uint32, nvml.Return) { return h.GetTemperature(nvml.TEMPERATURE_GPU) }),
	// The one above is deprecated and may go.
	{[]string{"nvmlDeviceGetTemperatureV"}, []Value{Temperature}, false, func(h nvml.Device, v *Values) nvml.Return {
		t, ret := h.GetTemperatureV().V1()
		if ret == nvml.SUCCESS && t.Temperature != -1 { // all bits set
			v.set(Temperature, float64(t.Temperature))
		}
		return ret
	}},
	threshold(SlowdownTemperature, nvml.TEMPERATURE_THRESHOLD_SLOWDOWN), threshold(ShutdownTemperature, nvml.TEMPERATURE_THRESHOLD_SHUTDOWN),
	scaled("nvmlDeviceGetPowerUsage", Power, 1e-3, nvml.Device.GetPowerUsage),
	scaled("nvmlDeviceGetEnforcedPowerLimit", PowerLimit, 1e-3, nvml.Device.GetEnforcedPowerLimit),
	scaled("nvmlDeviceGetTotalEnergyConsumption", Energy, 1e-3, nvml.Device.GetTotalEnergyConsumption),
	clock("nvmlDeviceGetClockInfo", SMClock, func(h nvml.Device) (uint32, nvml.Return) { return h.GetClockInfo(nvml.CLOCK_SM) }),
	clock("nvmlDeviceGetClockInfo", MemoryClock, func(h nvml.Device) (uint32, nvml.Return) { return h.GetClockInfo(nvml.CLOCK_MEM) }),
	clock("nvmlDeviceGetClockInfo", VideoClock, func(h nvml.Device) (uint32, nvml.Return) { return h.GetClockInfo(nvml.CLOCK_VIDEO) }),
	clock("nvmlDeviceGetMaxClockInfo", MaxSMClock, func(h nvml.Device) (uint32, nvml.Return) { return h.GetMaxClockInfo(nvml.CLOCK_SM) }),
	scaled("nvmlDeviceGetEncoderUtilization", EncoderUtilization, 1, func(h nvml.Device) (uint32, nvml.Return) { u, _, ret := h.GetEncoderUtilization(); return u, ret }),
	scaled("nvmlDeviceGetDecoderUtilization", DecoderUtilization, 1, func(h nvml.Device) (uint32, nvml.Return) { u, _, ret := h.GetDecoderUtilization(); return u, ret }),
	scaled("nvmlDeviceGetFanSpeed", FanSpeed, 1, nvml.Device.GetFanSpeed),
	scaled("nvmlDeviceGetPerformanceState", PerformanceState, 1, func(h nvml.Device) (int, nvml.Return) { p, ret := h.GetPerformanceState(); return int(p), ret }),
	scaled("nvmlDeviceGetCurrentClocksEventReasons", ClockReasons, 1, nvml.Device.GetCurrentClocksEventReasons),
	scaled("nvmlDeviceGetCurrentClocksThrottleReasons", ClockReasons, 1, nvml.Device.GetCurrentClocksThrottleReasons),
	scaled("nvmlDeviceGetCurrPcieLinkGeneration", PCIeGeneration, 1, nvml.Device.GetCurrPcieLinkGeneration),
	scaled("nvmlDeviceGetCurrPcieLinkWidth", PCIeWidth, 1, nvml.Device.GetCurrPcieLinkWidth),
	scaled("nvmlDeviceGetPcieReplayCounter", PCIeReplays, 1, nvml.Device.GetPcieReplayCounter),
	scaled("nvmlDeviceGetMigMode", MIGMode, 1, func(h nvml.Device) (int, nvml.Return) { mode, _, ret := h.GetMigMode(); return mode, ret }),
	ecc(ECCSingleVolatile, nvml.MEMORY_ERROR_TYPE_CORRECTED, nvml.VOLATILE_ECC), ecc(ECCDoubleVolatile, nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC),
	ecc(ECCSingleAggregate, nvml.MEMORY_ERROR_TYPE_CORRECTED, nvml.AGGREGATE_ECC), ecc(ECCDoubleAggregate, nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.AGGREGATE_ECC),
	violation(ThrottledPower, nvml.PERF_POLICY_POWER), violation(ThrottledThermal, nvml.PERF_POLICY_THERMAL),
	violation(ThrottledSyncBoost, nvml.PERF_POLICY_SYNC_BOOST), violation(ThrottledBoardLimit, nvml.PERF_POLICY_BOARD_LIMIT),
	violation(ThrottledLowUtilization, nvml.PERF_POLICY_LOW_UTILIZATION), violation(ThrottledReliability, nvml.PERF_POLICY_RELIABILITY),
	{[]string{"nvmlDeviceGetRemappedRows"}, []Value{RemappedCorrectable, RemapPending}, false, func(h nvml.Device, v *Values) nvml.Return {
		correctable, uncorrectable, pending, failed, ret := h.GetRemappedRows()
		if ret == nvml.SUCCESS {
			v.set(RemappedCorrectable, float64(correctable))
			v.set(RemappedUncorrectable, float64(uncorrectable))
			v.set(RemapPending, flag(pending))
			v.set(RemapFailure, flag(failed))
		}
		return ret
	}},
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
