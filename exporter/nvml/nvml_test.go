package nvml

import (
	"math"
	"testing"
)

// TestUnknown: a GPU of which nothing is known has no value that could be taken for a zero.
func TestUnknown(t *testing.T) {
	t.Parallel()
	g := unknown(GPU{UUID: "GPU-1", UtilizationPercent: 3})
	for name, v := range values(g) {
		if !math.IsNaN(v) {
			t.Errorf("%s of an unknown GPU is %v, want NaN", name, v)
		}
	}
	if g.UUID != "GPU-1" {
		t.Errorf("unknown changed the identity: %+v", g)
	}
}

func values(g GPU) map[string]float64 {
	return map[string]float64{
		"utilization": g.UtilizationPercent, "temperature": g.TemperatureCelsius, "power": g.PowerWatts,
		"memory total": g.MemoryTotal, "memory used": g.MemoryUsed, "memory free": g.MemoryFree,
	}
}
