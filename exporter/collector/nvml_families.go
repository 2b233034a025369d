package collector

import (
	"math"

	"github.com/foreshock/foreshock/exporter/nvml"
)

func dcgmLabels() []string {
	return []string{"gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname", "GPU_I_ID", "GPU_I_PROFILE"}
}

func dcgm(name, help string) *Family { return gauge("DCGM_FI_DEV_"+name, help, dcgmLabels()...) }

func dcgmCounter(name, help string) *Family {
	return counter("DCGM_FI_DEV_"+name, help, dcgmLabels()...)
}

func gpuLabels(more ...string) []string {
	return append([]string{"gpu", "uuid", "pci_bus_id", "device", "model", "gpu_instance", "profile"}, more...)
}

func gpuGauge(name, help string, more ...string) *Family {
	return gauge("foreshock_gpu_"+name, help, gpuLabels(more...)...)
}

func gpuCounter(name, help string, more ...string) *Family {
	return counter("foreshock_gpu_"+name, help, gpuLabels(more...)...)
}

// gpuValue is one value of a GPU under its names: those of dcgm-exporter in the units of DCGM, and one in base units. The reader's value is
// multiplied by times and by baseTimes.
type gpuValue struct {
	value     nvml.Value
	dcgm      []*Family
	times     float64
	base      *Family
	baseTimes float64
	label     string // the value of base's last label, where it has one of its own
}

// mebibyte is the unit of memory in DCGM.
const mebibyte = 1 << 20

var (
	gpuEngine    = gpuGauge("engine_utilization_ratio", "Share of time in which an engine of the GPU worked, 0 to 1.", "engine")
	gpuClock     = gpuGauge("clock_hertz", "Clock of a part of the GPU.", "clock")
	gpuThreshold = gpuGauge("temperature_threshold_celsius", "Temperature at which the GPU slows itself down, or turns itself off.", "threshold")
	gpuECC       = gpuCounter("ecc_errors_total", "Errors in the GPU's memories; single_bit were corrected, double_bit not. volatile: since the driver was loaded, aggregate: over the GPU's life.", "error")
	gpuRetired   = gpuCounter("retired_pages_total", "Pages of memory that were taken out of use, over the GPU's life.", "cause")
	gpuRemapped  = gpuCounter("remapped_rows_total", "Rows of memory that were replaced by spare ones, over the GPU's life.", "error")
	gpuLinks     = gpuCounter("nvlink_errors_total", "Errors on the GPU's NVLinks, over all links.", "error")
	gpuThrottled = gpuCounter("throttled_seconds_total", "Time for which the clocks were held down, by reason.", "reason")
)

var gpuValues = []gpuValue{
	{nvml.Utilization, names(dcgm("GPU_UTIL", "GPU utilization (in %).")), 1, gpuGauge("utilization_ratio", "Share of time in which the GPU ran a kernel, 0 to 1."), 0.01, ""},
	{nvml.MemoryUtilization, names(dcgm("MEM_COPY_UTIL", "Memory utilization (in %).")), 1, gpuEngine, 0.01, "memory"},
	{nvml.EncoderUtilization, names(dcgm("ENC_UTIL", "Encoder utilization (in %).")), 1, gpuEngine, 0.01, "encoder"},
	{nvml.DecoderUtilization, names(dcgm("DEC_UTIL", "Decoder utilization (in %).")), 1, gpuEngine, 0.01, "decoder"},
	{nvml.SMClock, names(dcgm("SM_CLOCK", "SM clock frequency (in MHz).")), 1e-6, gpuClock, 1, "sm"},
	{nvml.MemoryClock, names(dcgm("MEM_CLOCK", "Memory clock frequency (in MHz).")), 1e-6, gpuClock, 1, "memory"},
	{nvml.VideoClock, names(dcgm("VIDEO_CLOCK", "Video encoder/decoder clock (in MHz).")), 1e-6, gpuClock, 1, "video"},
	{nvml.MaxSMClock, names(dcgm("MAX_SM_CLOCK", "Highest SM clock that the GPU supports (in MHz).")), 1e-6, gpuClock, 1, "sm_max"},
	{nvml.Temperature, names(dcgm("GPU_TEMP", "GPU temperature (in C).")), 1, gpuGauge("temperature_celsius", "Temperature of the GPU."), 1, ""},
	{nvml.MemoryTemperature, names(dcgm("MEMORY_TEMP", "Memory temperature (in C).")), 1, gpuGauge("memory_temperature_celsius", "Temperature of the GPU's memory."), 1, ""},
	{nvml.SlowdownTemperature, names(dcgm("SLOWDOWN_TEMP", "Temperature at which the GPU slows itself down (in C).")), 1, gpuThreshold, 1, "slowdown"},
	{nvml.ShutdownTemperature, names(dcgm("SHUTDOWN_TEMP", "Temperature at which the GPU turns itself off (in C).")), 1, gpuThreshold, 1, "shutdown"},
	{nvml.Power, names(dcgm("POWER_USAGE", "Power draw (in W).")), 1, gpuGauge("power_watts", "Power that the GPU draws."), 1, ""},
	{nvml.PowerLimit, names(dcgm("ENFORCED_POWER_LIMIT", "Power limit that is enforced (in W).")), 1, gpuGauge("power_limit_watts", "Power that the GPU is allowed to draw."), 1, ""},
	{
		nvml.Energy, names(dcgmCounter("TOTAL_ENERGY_CONSUMPTION", "Total energy consumption since boot (in mJ).")), 1e3,
		gpuCounter("energy_joules_total", "Energy that the GPU has drawn since the driver was loaded."), 1, "",
	},
	{nvml.MemoryTotal, names(dcgm("FB_TOTAL", "Total framebuffer memory (in MiB).")), 1.0 / mebibyte, gpuGauge("memory_total_bytes", "Memory of the GPU."), 1, ""},
	{
		nvml.MemoryUsed, names(dcgm("FB_USED", "Framebuffer memory used (in MiB).")), 1.0 / mebibyte,
		gpuGauge("memory_used_bytes", "Memory of the GPU in use, without what the driver reserves."), 1, "",
	},
	{nvml.MemoryFree, names(dcgm("FB_FREE", "Framebuffer memory free (in MiB).")), 1.0 / mebibyte, gpuGauge("memory_free_bytes", "Memory of the GPU that is free."), 1, ""},
	{
		nvml.MemoryReserved, names(dcgm("FB_RESERVED", "Framebuffer memory reserved (in MiB).")), 1.0 / mebibyte,
		gpuGauge("memory_reserved_bytes", "Memory of the GPU that the driver keeps for itself."), 1, "",
	},
	{nvml.PCIeReplays, names(dcgmCounter("PCIE_REPLAY_COUNTER", "Total number of PCIe retries.")), 1, gpuCounter("pcie_replays_total", "Retries on the PCIe link."), 1, ""},
	{nvml.PCIeGeneration, names(dcgm("PCIE_LINK_GEN", "PCIe generation of the link as it is now.")), 1, gpuGauge("pcie_link_generation", "PCIe generation of the link as it is now."), 1, ""},
	{nvml.PCIeWidth, names(dcgm("PCIE_LINK_WIDTH", "PCIe lanes of the link as it is now.")), 1, gpuGauge("pcie_link_lanes", "PCIe lanes of the link as it is now."), 1, ""},
	{nvml.PCIeTransmit, nil, 1, gpuCounter("pcie_transmit_bytes_total", "Bytes sent over PCIe; the GPU's counter wraps."), 1, ""},
	{nvml.PCIeReceive, nil, 1, gpuCounter("pcie_receive_bytes_total", "Bytes received over PCIe; the GPU's counter wraps."), 1, ""},
	{nvml.FanSpeed, names(dcgm("FAN_SPEED", "Fan speed (in %).")), 1, gpuGauge("fan_speed_ratio", "Fan speed that is intended, as a share of the highest; a share above 1 is possible."), 0.01, ""},
	{nvml.PerformanceState, names(dcgm("PSTATE", "Performance state (P-State) 0-15. 0=highest.")), 1, gpuGauge("performance_state", "Performance state, 0 (fastest) to 15 (slowest)."), 1, ""},
	{
		nvml.ClockReasons, names(dcgm("CLOCK_THROTTLE_REASONS", "Current clock throttle reasons (bitmask)."), dcgm("CLOCKS_EVENT_REASONS", "Current clock event reasons (bitmask).")), 1,
		nil, 1, "",
	},
	{nvml.MIGMode, names(dcgm("MIG_MODE", "MIG mode, 0 is disabled, 1 is enabled.")), 1, gpuGauge("mig_enabled", "Whether the GPU is split into instances (MIG)."), 1, ""},
	{nvml.ECCSingleVolatile, names(dcgmCounter("ECC_SBE_VOL_TOTAL", "Total number of single-bit volatile ECC errors.")), 1, gpuECC, 1, "single_bit_volatile"},
	{nvml.ECCDoubleVolatile, names(dcgmCounter("ECC_DBE_VOL_TOTAL", "Total number of double-bit volatile ECC errors.")), 1, gpuECC, 1, "double_bit_volatile"},
	{nvml.ECCSingleAggregate, names(dcgmCounter("ECC_SBE_AGG_TOTAL", "Total number of single-bit persistent ECC errors.")), 1, gpuECC, 1, "single_bit_aggregate"},
	{nvml.ECCDoubleAggregate, names(dcgmCounter("ECC_DBE_AGG_TOTAL", "Total number of double-bit persistent ECC errors.")), 1, gpuECC, 1, "double_bit_aggregate"},
	{nvml.RetiredSingle, names(dcgmCounter("RETIRED_SBE", "Total number of retired pages due to single-bit errors.")), 1, gpuRetired, 1, "single_bit"},
	{nvml.RetiredDouble, names(dcgmCounter("RETIRED_DBE", "Total number of retired pages due to double-bit errors.")), 1, gpuRetired, 1, "double_bit"},
	{
		nvml.RetiredPending, names(dcgmCounter("RETIRED_PENDING", "Total number of pages pending retirement.")), 1,
		gpuGauge("retired_pages_pending", "Whether pages wait for a restart to be taken out of use."), 1, "",
	},
	{nvml.RemappedCorrectable, names(dcgmCounter("CORRECTABLE_REMAPPED_ROWS", "Number of remapped rows for correctable errors")), 1, gpuRemapped, 1, "correctable"},
	{nvml.RemappedUncorrectable, names(dcgmCounter("UNCORRECTABLE_REMAPPED_ROWS", "Number of remapped rows for uncorrectable errors")), 1, gpuRemapped, 1, "uncorrectable"},
	{nvml.RemapPending, names(dcgm("ROW_REMAP_PENDING", "Whether remapping of rows is pending")), 1, gpuGauge("row_remap_pending", "Whether rows wait for a reset of the GPU to be replaced."), 1, ""},
	{nvml.RemapFailure, names(dcgm("ROW_REMAP_FAILURE", "Whether remapping of rows has failed")), 1, gpuGauge("row_remap_failed", "Whether a row could not be replaced: the GPU is to be exchanged."), 1, ""},
	{nvml.NVLinkFlitCRC, names(dcgmCounter("NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", "Total number of NVLink flow-control CRC errors.")), 1, gpuLinks, 1, "crc_flit"},
	{nvml.NVLinkDataCRC, names(dcgmCounter("NVLINK_CRC_DATA_ERROR_COUNT_TOTAL", "Total number of NVLink data CRC errors.")), 1, gpuLinks, 1, "crc_data"},
	{nvml.NVLinkCRC, nil, 1, gpuLinks, 1, "crc"},
	{nvml.NVLinkReplay, names(dcgmCounter("NVLINK_REPLAY_ERROR_COUNT_TOTAL", "Total number of NVLink retries.")), 1, gpuLinks, 1, "replay"},
	{nvml.NVLinkRecovery, names(dcgmCounter("NVLINK_RECOVERY_ERROR_COUNT_TOTAL", "Total number of NVLink recovery errors.")), 1, gpuLinks, 1, "recovery"},
	{nvml.NVLinkTransmit, nil, 1, gpuCounter("nvlink_transmit_bytes_total", "Bytes of data sent over all NVLinks."), 1, ""},
	{nvml.NVLinkReceive, nil, 1, gpuCounter("nvlink_receive_bytes_total", "Bytes of data received over all NVLinks."), 1, ""},
	{nvml.ThrottledPower, names(dcgmCounter("POWER_VIOLATION", "Throttling duration due to power constraints (in ns).")), 1e9, gpuThrottled, 1, "power"},
	{nvml.ThrottledThermal, names(dcgmCounter("THERMAL_VIOLATION", "Throttling duration due to thermal constraints (in ns).")), 1e9, gpuThrottled, 1, "thermal"},
	{nvml.ThrottledSyncBoost, names(dcgmCounter("SYNC_BOOST_VIOLATION", "Throttling duration due to sync-boost constraints (in ns).")), 1e9, gpuThrottled, 1, "sync_boost"},
	{nvml.ThrottledBoardLimit, names(dcgmCounter("BOARD_LIMIT_VIOLATION", "Throttling duration due to board limit constraints (in ns).")), 1e9, gpuThrottled, 1, "board_limit"},
	{nvml.ThrottledLowUtilization, names(dcgmCounter("LOW_UTIL_VIOLATION", "Throttling duration due to low utilization (in ns).")), 1e9, gpuThrottled, 1, "low_utilization"},
	{nvml.ThrottledReliability, names(dcgmCounter("RELIABILITY_VIOLATION", "Throttling duration due to reliability constraints (in ns).")), 1e9, gpuThrottled, 1, "reliability"},
	{
		nvml.ThrottledSoftwareThermal, names(dcgmCounter("CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS", "Throttling to stay below the highest operating temperatures (in ns).")), 1e9,
		gpuThrottled, 1, "sw_thermal_slowdown",
	},
	{
		nvml.ThrottledHardwareThermal, names(dcgmCounter("CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS", "Throttling due to temperature being too high (in ns).")), 1e9,
		gpuThrottled, 1, "hw_thermal_slowdown",
	},
	{
		nvml.ThrottledPowerBrake, names(dcgmCounter("CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS", "Throttling due to external power brake assertion (in ns).")), 1e9,
		gpuThrottled, 1, "hw_power_brake",
	},
}

func names(list ...*Family) []*Family { return list }

var (
	gpuState      = gauge("foreshock_gpu_state", "State of the GPUs of this host: 1 for the state it is in, 0 for the others.", "state")
	gpuDriver     = gauge("foreshock_gpu_driver_info", "Version of the NVIDIA driver; always 1.", "version")
	gpuUp         = gpuGauge("up", "Whether the GPU answers; 0 for one that did and does not any more.")
	gpuReason     = gpuGauge("clock_reason", "Why the clocks are not at their highest just now: 1 for each reason that holds, 0 for the others.", "reason")
	gpuLastXID    = dcgm("XID_ERRORS", "Value of the last XID error encountered.")
	gpuXIDs       = gpuCounter("xid_errors_total", "Errors that the driver reported, by number (XID), since the exporter was started.", "xid")
	gpuProcesses  = gpuGauge("processes", "Processes that use the GPU, by what for.", "type")
	gpuProcMemory = gpuGauge("process_memory_bytes", "Memory of the GPU that a process uses; only the largest are listed.", "type", "pid", "process")
	gpuOmitted    = gpuGauge("processes_omitted", "Processes on the GPU that are not listed one by one, because of the limit.")
)

// commonXIDs are published from the start, at 0, so that the first error is a rise. They are those that NVIDIA's list of XIDs calls for an action on,
// and the frequent ones of applications (https://docs.nvidia.com/deploy/xid-errors/).
var commonXIDs = []uint64{13, 31, 43, 45, 48, 62, 63, 64, 74, 79, 92, 94, 95, 119, 120, 140, 149, 154}

// whole takes away what a division left behind: DCGM's numbers are whole.
func whole(x float64) float64 {
	if r := math.Round(x); math.Abs(x-r) <= 1e-9*math.Abs(x) {
		return r
	}
	return x
}
