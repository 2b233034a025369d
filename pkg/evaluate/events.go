package evaluate

import (
	"slices"
	"time"

	"gonum.org/v1/gonum/mathext"
)

// Window is a labelled event in time: both ends inclusive, milliseconds.
type Window struct{ From, To int64 }

// Alarm is one episode: when it was told, and the first time at which it was over; Until is the end of the data for one that is open.
type Alarm struct{ Confirmed, Until int64 }

// allowedSamples is how many samples after its end an event may still be told: labelled ranges are often one to ten samples long, and an alarm that is confirmed by 3
// of 5 samples cannot come at the first. Seven is the delay of Ren et al., Time-Series Anomaly Detection Service at Microsoft, KDD 2019, doi:10.1145/3292500.3330680.
const allowedSamples = 7

// Streamed counts what alarms say about events. The counts of several series add up.
type Streamed struct {
	// Events is how many labelled events there were, Found how many an alarm told.
	Events, Found int
	// Alarms is how many episodes there were, True how many of them fell on an event.
	Alarms, True int
	// Delays is, for each found event, the time from its first sample to the first alarm, 0 where one was open before.
	Delays []time.Duration
	// Weeks is how long the series were judged: samples without a verdict (gaps, warm-up) do not count.
	Weeks float64
}

// Stream matches alarms with events. An alarm falls on an event when it is confirmed no later than allowed milliseconds after the event's end, and is not over before the
// event begins. An event without a verdict, in warm-up for instance, counts as missed.
func Stream(events []Window, alarms []Alarm, allowed int64, weeks float64) Streamed {
	s := Streamed{Events: len(events), Alarms: len(alarms), Weeks: weeks}
	hit := make([]bool, len(alarms))
	for _, e := range events {
		first := int64(-1)
		for k, a := range alarms {
			if a.Confirmed > e.To+allowed || a.Until <= e.From {
				continue
			}
			hit[k] = true
			if delay := max(0, a.Confirmed-e.From); first < 0 || delay < first {
				first = delay
			}
		}
		if first >= 0 {
			s.Found++
			s.Delays = append(s.Delays, time.Duration(first)*time.Millisecond)
		}
	}
	for _, h := range hit {
		if h {
			s.True++
		}
	}
	return s
}

// Add joins the counts of another series.
func (s Streamed) Add(o Streamed) Streamed {
	return Streamed{s.Events + o.Events, s.Found + o.Found, s.Alarms + o.Alarms, s.True + o.True, append(slices.Clone(s.Delays), o.Delays...), s.Weeks + o.Weeks}
}

// Precision is the share of alarms that fell on an event; NaN without an alarm.
func (s Streamed) Precision() float64 { return float64(s.True) / float64(s.Alarms) }

// Recall is the share of events that were told; NaN without an event.
func (s Streamed) Recall() float64 { return float64(s.Found) / float64(s.Events) }

// Delay is the median delay of the found events, 0 without one.
func (s Streamed) Delay() time.Duration {
	if len(s.Delays) == 0 {
		return 0
	}
	d := slices.Sorted(slices.Values(s.Delays))
	return d[len(d)/2]
}

// FalsePerWeek is how many alarms a week fell on no event, with its exact 95 % interval for a Poisson count.
// Source: Garwood, Fiducial Limits for the Poisson Distribution, Biometrika 28(3/4), 1936, doi:10.1093/biomet/28.3-4.437.
func (s Streamed) FalsePerWeek() (rate, low, high float64) {
	k := float64(s.Alarms - s.True)
	if s.Weeks <= 0 {
		return 0, 0, 0
	}
	if k > 0 {
		low = mathext.GammaIncRegInv(k, 0.025)
	}
	high = mathext.GammaIncRegCompInv(k+1, 0.025)
	return k / s.Weeks, low / s.Weeks, high / s.Weeks
}

// windows turns labelled rows into times.
func (l Labelled) windows() []Window {
	out := make([]Window, len(l.Events))
	for k, e := range l.Events {
		t := l.Times[e.First : e.Last+1]
		out[k] = Window{slices.Min(t), slices.Max(t)}
	}
	return out
}
