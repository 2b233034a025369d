package scorer

import (
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
		for _, o := range k.outputs {
			labels := named(o)
			key := labels.String()
			before, known := st.written[key]
			from := e.from
			if known {
				from = before.last + e.rule.Step.Milliseconds()
			}
			samples = append(samples, k.samples(o, labels, from)...)
			if newest < 0 {
				continue
			}
			if x := k.at(o, newest); x == x {
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

// samples returns what an output says of each sample from that time on.
func (f judged) samples(o output, labels series.Labels, from int64) []prom.Sample {
	var out []prom.Sample
	grid := f.verdicts.Series.Grid
	first, end := grid.Clamp(from, grid.End())
	for i := first; i < end; i++ {
		if x := f.at(o, i); x == x {
			out = append(out, prom.Sample{Labels: labels, Time: grid.At(i), Value: x})
		}
	}
	return out
}

// named returns the labels of an output with its name.
func named(o output) series.Labels {
	m := o.labels.Map()
	m["__name__"] = families[o.family][0]
	return series.FromMap(m)
}
