package evaluate

import (
	"slices"
	"time"
)

// Streamed counts what episodes say about labelled events, by the rules of Replay: an episode falls on an event when it overlaps it, or begins at most M − 1 samples of the
// policy after it, and events of which no sample had a verdict (gaps, warm-up) do not count. The counts of several series add up.
type Streamed struct {
	// Events is how many labelled events there were, Found how many an episode told of.
	Events, Found int
	// Episodes is how many there were, True how many of them fell on an event.
	Episodes, True int
	// Delays is, for each found event, the time from its first sample to the alarm, 0 where that was there before.
	Delays []time.Duration
	// Weeks is how long the series were judged: samples without a verdict do not count.
	Weeks float64
}

func streamed(r Replayed) Streamed {
	s := Streamed{Events: len(r.Incidents), Episodes: len(r.Episodes), True: len(r.Episodes) - r.False(), Weeks: r.Exposure}
	for _, e := range r.Incidents {
		if e.Hit {
			s.Found++
			s.Delays = append(s.Delays, max(0, time.Duration(e.Delay)*time.Millisecond))
		}
	}
	return s
}

// Add joins the counts of another series.
func (s Streamed) Add(o Streamed) Streamed {
	return Streamed{s.Events + o.Events, s.Found + o.Found, s.Episodes + o.Episodes, s.True + o.True, append(slices.Clone(s.Delays), o.Delays...), s.Weeks + o.Weeks}
}

// Precision is the share of episodes that fell on an event; NaN without an episode.
func (s Streamed) Precision() float64 { return float64(s.True) / float64(s.Episodes) }

// Recall is the share of events that were told; NaN without an event.
func (s Streamed) Recall() float64 { return float64(s.Found) / float64(s.Events) }

// Delay is the median delay of the found events, the upper one of two, 0 without any.
func (s Streamed) Delay() time.Duration {
	if len(s.Delays) == 0 {
		return 0
	}
	d := slices.Sorted(slices.Values(s.Delays))
	return d[len(d)/2]
}

// FalsePerWeek is how many episodes a week fell on no event, with its 95 % interval; zeros where nothing was judged.
func (s Streamed) FalsePerWeek() (rate, low, high float64) {
	if s.Weeks <= 0 {
		return 0, 0, 0
	}
	low, high = RateInterval(s.Episodes-s.True, s.Weeks)
	return float64(s.Episodes-s.True) / s.Weeks, low, high
}

// incidents turns labelled rows into times.
func (l Labelled) incidents() []Incident {
	out := make([]Incident, len(l.Events))
	for k, e := range l.Events {
		t := l.Times[e.First : e.Last+1]
		out[k] = Incident{slices.Min(t), slices.Max(t)}
	}
	return joinedIncidents(out)
}
