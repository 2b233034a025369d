package scorer

import (
	"math"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// written is a series that was sent by remote write, and the time of its newest sample.
type written struct {
	labels series.Labels
	last   int64
}

// maxBehind is how many intervals without a successful evaluation are written afterwards.
const maxBehind = 60

// since returns the time of the first sample that is to be written by an evaluation of samples up to at: what failed or was left out since
// the last success is made up for.
func (st *ruleState) since(at int64) int64 {
	step, every := st.rule.Step.Milliseconds(), st.rule.every()
	if st.offered == 0 {
		return at - every + step
	}
	return min(at, max(st.offered+step, at-maxBehind*every+step))
}

// offer queues what was found for remote write, stamped with the judged times: every sample since the last one written, at the earliest
// from e.from on where nothing is. Series that were written last time and are no longer published are ended by a stale marker, as a scrape
// would do.
func (e *evaluation) offer(w *prom.RemoteWriter, st *ruleState, kept []judged) {
	var samples []prom.Sample
	now := map[string]written{}
	for _, k := range kept {
		newest := newest(k.verdicts)
		for f, labels := range e.named(k.labels) {
			key := labels.String()
			before, known := st.written[key]
			from := e.from
			if known {
				from = before.last + e.rule.Step.Milliseconds()
			}
			samples = append(samples, samplesOf(k.verdicts, f, labels, from)...)
			if newest < 0 {
				continue
			}
			if p := pointAt(k.verdicts, newest); !math.IsNaN(p.score) && !math.IsNaN(p.values()[f]) {
				now[key] = written{labels, max(before.last, k.verdicts.Series.Grid.At(newest))}
			}
		}
	}
	for key, s := range st.written {
		if _, still := now[key]; !still {
			samples = append(samples, prom.Sample{Labels: s.labels, Time: e.at, Value: prom.StaleMarker()})
		}
	}
	st.written, st.offered = now, e.at
	if lost := w.Offer(samples...); lost > 0 {
		e.logger.Warn("remote write is behind: the oldest samples were dropped", "samples", lost)
	}
}

// samplesOf returns what family f says of each sample from that time on.
func samplesOf(v detect.Verdicts, f int, labels series.Labels, from int64) []prom.Sample {
	var out []prom.Sample
	first, end := v.Series.Grid.Clamp(from, v.Series.Grid.End())
	for i := first; i < end; i++ {
		p := pointAt(v, i)
		if x := p.values()[f]; !math.IsNaN(p.score) && !math.IsNaN(x) {
			out = append(out, prom.Sample{Labels: labels, Time: v.Series.Grid.At(i), Value: x})
		}
	}
	return out
}

// named returns the labels with the name of each family.
func (e *evaluation) named(labels series.Labels) [5]series.Labels {
	var out [5]series.Labels
	for i, f := range families {
		m := labels.Map()
		m["__name__"] = f[0]
		out[i] = series.FromMap(m)
	}
	return out
}
