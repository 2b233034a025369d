//go:build cgo && linux

package nvml

import (
	"encoding/binary"
	"math"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// allLinks is the scope of a field that stands for all NVLinks together.
const allLinks = math.MaxUint32

// field is a value that nvmlDeviceGetFieldValues tells. What NVML says is multiplied by unit.
type field struct {
	id    uint32
	scope uint32
	value Value
	unit  float64
}

// fields are asked for in one call, which is cheaper than a function each and cannot hit a function that the library lacks.
var fields = []field{
	{nvml.FI_DEV_ECC_SBE_VOL_TOTAL, 0, ECCSingleVolatile, 1},
	{nvml.FI_DEV_ECC_DBE_VOL_TOTAL, 0, ECCDoubleVolatile, 1},
	{nvml.FI_DEV_ECC_SBE_AGG_TOTAL, 0, ECCSingleAggregate, 1},
	{nvml.FI_DEV_ECC_DBE_AGG_TOTAL, 0, ECCDoubleAggregate, 1},
	{nvml.FI_DEV_RETIRED_SBE, 0, RetiredSingle, 1},
	{nvml.FI_DEV_RETIRED_DBE, 0, RetiredDouble, 1},
	{nvml.FI_DEV_RETIRED_PENDING, 0, RetiredPending, 1},
	{nvml.FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL, 0, NVLinkFlitCRC, 1},
	{nvml.FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL, 0, NVLinkDataCRC, 1},
	{nvml.FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL, 0, NVLinkReplay, 1},
	{nvml.FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL, 0, NVLinkRecovery, 1},
	{nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_TX, allLinks, NVLinkTransmit, 1024},
	{nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_RX, allLinks, NVLinkReceive, 1024},
	{nvml.FI_DEV_PERF_POLICY_POWER, 0, ThrottledPower, 1e-9},
	{nvml.FI_DEV_PERF_POLICY_THERMAL, 0, ThrottledThermal, 1e-9},
	{nvml.FI_DEV_PERF_POLICY_SYNC_BOOST, 0, ThrottledSyncBoost, 1e-9},
	{nvml.FI_DEV_PERF_POLICY_BOARD_LIMIT, 0, ThrottledBoardLimit, 1e-9},
	{nvml.FI_DEV_PERF_POLICY_LOW_UTILIZATION, 0, ThrottledLowUtilization, 1e-9},
	{nvml.FI_DEV_PERF_POLICY_RELIABILITY, 0, ThrottledReliability, 1e-9},
	{nvml.FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN, 0, ThrottledSoftwareThermal, 1e-9},
	{nvml.FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN, 0, ThrottledHardwareThermal, 1e-9},
	{nvml.FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN, 0, ThrottledPowerBrake, 1e-9},
	{nvml.FI_DEV_MEMORY_TEMP, 0, MemoryTemperature, 1},
	{nvml.FI_DEV_TOTAL_ENERGY_CONSUMPTION, 0, Energy, 1e-3},
	{nvml.FI_DEV_PCIE_REPLAY_COUNTER, 0, PCIeReplays, 1},
	{nvml.FI_DEV_PCIE_COUNT_TX_BYTES, 0, PCIeTransmit, 1},
	{nvml.FI_DEV_PCIE_COUNT_RX_BYTES, 0, PCIeReceive, 1},
	{nvml.FI_DEV_REMAPPED_COR, 0, RemappedCorrectable, 1},
	{nvml.FI_DEV_REMAPPED_UNC, 0, RemappedUncorrectable, 1},
	{nvml.FI_DEV_REMAPPED_PENDING, 0, RemapPending, 1},
	{nvml.FI_DEV_REMAPPED_FAILURE, 0, RemapFailure, 1},
}

// linkFields are told per link by GPUs that have no totals (Hopper); their sum is taken.
var linkFields = []field{
	{nvml.FI_DEV_NVLINK_ERROR_DL_REPLAY, 0, NVLinkReplay, 1},
	{nvml.FI_DEV_NVLINK_ERROR_DL_RECOVERY, 0, NVLinkRecovery, 1},
	{nvml.FI_DEV_NVLINK_ERROR_DL_CRC, 0, NVLinkCRC, 1},
}

// readFields fills in what nvmlDeviceGetFieldValues tells, and reports whether the GPU is lost.
func (r *Reader) readFields(d *device, v *Values) (lost bool) {
	if !r.symbols.has("nvmlDeviceGetFieldValues") {
		return false
	}
	if lost = askFields(d.handle, fields, func(f field, x float64) { v.set(f.value, x*f.unit) }); lost {
		return true
	}
	if !math.IsNaN(v[NVLinkReplay]) || d.noLink {
		return false
	}
	var per []field
	for link := range uint32(nvml.NVLINK_MAX_LINKS) {
		for _, f := range linkFields {
			f.scope = link
			per = append(per, f)
		}
	}
	d.noLink = true
	return askFields(d.handle, per, func(f field, x float64) {
		if old := v[f.value]; !math.IsNaN(old) {
			x += old
		}
		v.set(f.value, x)
		d.noLink = false
	})
}

// askFields calls each for every field that the GPU tells, and reports whether the GPU is lost.
func askFields(h nvml.Device, list []field, each func(field, float64)) (lost bool) {
	values := make([]nvml.FieldValue, len(list))
	for i, f := range list {
		values[i].FieldId, values[i].ScopeId = f.id, f.scope
		values[i].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED) // an old driver leaves fields that it does not know as they are
	}
	if ret := h.GetFieldValues(values); ret != nvml.SUCCESS {
		return gone(ret)
	}
	for i, x := range values {
		ret := nvml.Return(x.NvmlReturn)
		if gone(ret) {
			return true
		}
		if n := number(x); ret == nvml.SUCCESS && !blank(n) {
			each(list[i], n)
		}
	}
	return false
}

// number reads the union of a field value.
func number(x nvml.FieldValue) float64 {
	bits := binary.NativeEndian.Uint64(x.Value[:])
	switch nvml.ValueType(x.ValueType) {
	case nvml.VALUE_TYPE_DOUBLE:
		return math.Float64frombits(bits)
	case nvml.VALUE_TYPE_UNSIGNED_INT:
		return float64(binary.NativeEndian.Uint32(x.Value[:]))
	case nvml.VALUE_TYPE_UNSIGNED_LONG, nvml.VALUE_TYPE_UNSIGNED_LONG_LONG:
		return float64(bits)
	case nvml.VALUE_TYPE_SIGNED_LONG_LONG:
		return float64(int64(bits))
	case nvml.VALUE_TYPE_SIGNED_INT:
		return float64(int32(binary.NativeEndian.Uint32(x.Value[:])))
	case nvml.VALUE_TYPE_UNSIGNED_SHORT:
		return float64(binary.NativeEndian.Uint16(x.Value[:]))
	}
	return math.NaN()
}

// call is a function of the library that tells values. It is called when the library has one of the symbols and a value is still missing.
type call struct {
	symbols  []string
	values   []Value
	instance bool // a MIG instance can be asked too
	ask      func(nvml.Device, *Values) nvml.Return
}

func (c call) wanted(v *Values) bool {
	for _, which := range c.values {
		if math.IsNaN(v[which]) {
			return true
		}
	}
	return false
}

// scaled turns a function with one result into a call.
func scaled[T int | uint32 | uint64](symbol string, which Value, unit float64, ask func(nvml.Device) (T, nvml.Return)) call {
	return call{[]string{symbol}, []Value{which}, false, func(h nvml.Device, v *Values) nvml.Return {
		x, ret := ask(h)
		if ret == nvml.SUCCESS && !blank(float64(x)) {
			v.set(which, float64(x)*unit)
		}
		return ret
	}}
}

func clock(symbol string, which Value, ask func(nvml.Device) (uint32, nvml.Return)) call {
	return scaled(symbol, which, 1e6, ask)
}

func ecc(which Value, kind nvml.MemoryErrorType, life nvml.EccCounterType) call {
	return scaled("nvmlDeviceGetTotalEccErrors", which, 1, func(h nvml.Device) (uint64, nvml.Return) { return h.GetTotalEccErrors(kind, life) })
}

func violation(which Value, policy nvml.PerfPolicyType) call {
	return scaled("nvmlDeviceGetViolationStatus", which, 1e-9, func(h nvml.Device) (uint64, nvml.Return) {
		t, ret := h.GetViolationStatus(policy)
		return t.ViolationTime, ret
	})
}

func threshold(which Value, t nvml.TemperatureThresholds) call {
	return scaled("nvmlDeviceGetTemperatureThreshold", which, 1, func(h nvml.Device) (uint32, nvml.Return) { return h.GetTemperatureThreshold(t) })
}
