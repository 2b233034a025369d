package logs

import (
	"math"
	"time"
)

// rates closes windows of time, in which the lines of each template are counted.
type rates struct {
	window int64
	end    int64 // of the open window; 0 before the first line
}

// rate is what is usual of one template: mean and variance of the lines per window, with exponentially falling weight.
type rate struct {
	mean, variance float64
	windows        uint32
	shifts         uint64
	off            bool // the last window was a shift
}

const (
	rateWeight = 1.0 / 24 // of the newest window: the mean is over about a day of hours, or two hours of five minutes
	minWindows = 12       // before that nothing is usual
	maxTurns   = 64       // windows without a line that are worth closing one by one
)

// Tick closes the windows that ended by then, for a source that is quiet: without a line nothing else does.
func (m *Miner) Tick(now time.Time) {
	if m.rates.end != 0 && now.UnixNano() >= m.rates.end {
		m.turn(now.UnixNano())
	}
}

// turn closes the windows that ended before the given time (nanoseconds since 1970). Of a long silence the first window is closed, and then the count begins anew.
func (m *Miner) turn(now int64) {
	r := &m.rates
	if r.end == 0 || now-r.end > maxTurns*r.window {
		if r.end != 0 {
			m.closeWindow()
		}
		r.end = now - now%r.window + r.window
		return
	}
	for now >= r.end {
		m.closeWindow()
		r.end += r.window
	}
}

func (m *Miner) closeWindow() {
	for _, t := range m.byID {
		if t.rate.close(float64(t.recent)) {
			m.stats.Shifts++
		}
		t.recent = 0
	}
}

// close takes the count of a window and reports whether a shift began with it: more than four standard deviations and twice or half of what is usual. The
// deviation is that of the windows and of a Poisson count together.
func (r *rate) close(n float64) bool {
	began, seen := false, n
	if r.windows >= minWindows {
		sd := math.Sqrt(r.variance + r.mean + 1)
		off := math.Abs(n-r.mean) > 4*sd && (n > 2*r.mean || n < r.mean/2)
		if off && !r.off {
			r.shifts++
			began = true
		}
		r.off = off
		seen = min(max(n, r.mean-4*sd), r.mean+4*sd) // a burst must not become what is usual, nor widen it; a lasting change does, in a day
	}
	w := max(rateWeight, 1/float64(r.windows+1))
	d := seen - r.mean
	r.mean += w * d
	r.variance = (1 - w) * (r.variance + w*d*d)
	if r.windows < math.MaxUint32 {
		r.windows++
	}
	return began
}
