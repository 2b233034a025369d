package nvml

import (
	"math"
	"testing"
)

// TestUnknown: a GPU of which nothing is known has no value that could be taken for a zero.
func TestUnknown(t *testing.T) {
	t.Parallel()
	for which, v := range Unknown() {
		if !math.IsNaN(v) {
			t.Errorf("value %d of an unknown GPU is %v, want NaN", which, v)
		}
	}
}

// TestSet: what cannot be true stays unknown. The blanks are those of DCGM's dcgm_structs.h, and all bits set.
func TestSet(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		which Value
		x     float64
		ok    bool
	}{
		{Utilization, 0, true},
		{Utilization, 100, true},
		{Utilization, 101, false},
		{Temperature, -20, true},
		{Temperature, 255, false},
		{PerformanceState, 32, false}, // NVML_PSTATE_UNKNOWN
		{SlowdownTemperature, 0, false},
		{Power, math.MaxUint32, false},
		{Power, -1, false},
		{Energy, 1e12, true},
		{Energy, math.MaxUint64, false},
		{ECCSingleVolatile, 0x7ffffff0, false},         // DCGM_INT32_BLANK
		{ECCSingleVolatile, 0x7ffffff2, false},         // DCGM_INT32_NOT_SUPPORTED
		{ECCSingleVolatile, 0x7ffffffffffffff0, false}, // DCGM_INT64_BLANK
		{ECCSingleVolatile, 140737488355328, false},    // DCGM_FP64_BLANK
		{ECCSingleVolatile, 140737488355327, true},
		{ECCSingleVolatile, math.NaN(), false},
		{RemapPending, 2, false},
	} {
		v := Unknown()
		v.set(tc.which, tc.x)
		if got := v[tc.which] == tc.x; got != tc.ok {
			t.Errorf("value %d, %v: taken %v, want %v", tc.which, tc.x, got, tc.ok)
		}
	}
}
