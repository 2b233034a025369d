package collector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "timex", Summary: "whether the clock is synchronized, and how far it is off",
		Source: "adjtimex(2)", New: func() Collector { return &timex{} },
	})
}

// Timex is what the adjtimex system call tells of the kernel's clock, in the units of that call: Offset and Jitter in microseconds, or in nanoseconds when
// Status has the bit STA_NANO; MaxError, EstError and Tick in microseconds; frequencies in parts per million with 16 bits after the point.
type Timex struct {
	State                                           int // 5 is TIME_ERROR: the clock is not synchronized
	Offset, Freq, MaxError, EstError, Constant      int64
	Status                                          int32
	Tick, PPSFreq, Jitter, Stability                int64
	Shift, TAI                                      int32
	JitterCount, Calibrations, Errors, StabilityCnt int64
}

const (
	timexUnsynchronized = 5
	timexNano           = 0x2000
	timexPPM            = 1e6 * 65536 // the unit of a frequency
)

type timexValue struct {
	f  *Family
	of func(t *Timex, fine float64) float64 // fine is how many units of Offset and Jitter make a second
}

func timexGauge(name, help string, of func(t *Timex, fine float64) float64) timexValue {
	return timexValue{gauge("node_timex_"+name, help), of}
}

func timexCounter(name, help string, of func(t *Timex, fine float64) float64) timexValue {
	return timexValue{counter("node_timex_"+name+"_total", help), of}
}

var timexValues = []timexValue{
	timexGauge("sync_status", "Is clock synchronized to a reliable server (1 = yes, 0 = no).", func(t *Timex, _ float64) float64 {
		if t.State == timexUnsynchronized {
			return 0
		}
		return 1
	}),
	timexGauge("offset_seconds", "Time offset in between local system and reference clock.", func(t *Timex, fine float64) float64 { return float64(t.Offset) / fine }),
	timexGauge("frequency_adjustment_ratio", "Local clock frequency adjustment.", func(t *Timex, _ float64) float64 { return 1 + float64(t.Freq)/timexPPM }),
	timexGauge("maxerror_seconds", "Maximum error in seconds.", func(t *Timex, _ float64) float64 { return float64(t.MaxError) / 1e6 }),
	timexGauge("estimated_error_seconds", "Estimated error in seconds.", func(t *Timex, _ float64) float64 { return float64(t.EstError) / 1e6 }),
	timexGauge("status", "Value of the status array bits.", func(t *Timex, _ float64) float64 { return float64(t.Status) }),
	timexGauge("loop_time_constant", "Phase-locked loop time constant.", func(t *Timex, _ float64) float64 { return float64(t.Constant) }),
	timexGauge("tick_seconds", "Seconds between clock ticks.", func(t *Timex, _ float64) float64 { return float64(t.Tick) / 1e6 }),
	timexGauge("pps_frequency_hertz", "Pulse per second frequency.", func(t *Timex, _ float64) float64 { return float64(t.PPSFreq) / timexPPM }),
	timexGauge("pps_jitter_seconds", "Pulse per second jitter.", func(t *Timex, fine float64) float64 { return float64(t.Jitter) / fine }),
	timexGauge("pps_shift_seconds", "Pulse per second interval duration.", func(t *Timex, _ float64) float64 { return float64(t.Shift) }),
	timexGauge("pps_stability_hertz", "Pulse per second stability, average of recent frequency changes.", func(t *Timex, _ float64) float64 { return float64(t.Stability) / timexPPM }),
	timexCounter("pps_jitter", "Pulse per second count of jitter limit exceeded events.", func(t *Timex, _ float64) float64 { return float64(t.JitterCount) }),
	timexCounter("pps_calibration", "Pulse per second count of calibration intervals.", func(t *Timex, _ float64) float64 { return float64(t.Calibrations) }),
	timexCounter("pps_error", "Pulse per second count of calibration errors.", func(t *Timex, _ float64) float64 { return float64(t.Errors) }),
	timexCounter("pps_stability_exceeded", "Pulse per second count of stability limit exceeded events.", func(t *Timex, _ float64) float64 { return float64(t.StabilityCnt) }),
	timexGauge("tai_offset_seconds", "International Atomic Time (TAI) offset.", func(t *Timex, _ float64) float64 { return float64(t.TAI) }),
}

type timex struct{ ask func() (Timex, error) }

func (c *timex) Open(h *Host) error { c.ask = h.Timex; return nil }

func (c *timex) Families() []*Family {
	var out []*Family
	for _, v := range timexValues {
		out = append(out, v.f)
	}
	return out
}

func (c *timex) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	t, err := c.ask()
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: this container may not ask for the state of the clock: %w", ErrNoData, err)
	}
	if err != nil {
		return fmt.Errorf("asking for the state of the clock: %w", err)
	}
	fine := 1e6
	if t.Status&timexNano != 0 {
		fine = 1e9
	}
	for _, v := range timexValues {
		v.f.with().send(ch, v.of(&t, fine))
	}
	return nil
}
