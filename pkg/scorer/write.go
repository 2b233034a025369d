package scorer

import (
	"math"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// offer queues what was found for remote write, stamped with the judged times: every sample since the evaluation before. Series that were
// written last time and have no outcome now are ended by a stale marker, as a scrape would do.
func (e *evaluation) offer(w *prom.RemoteWriter, st *ruleState, kept []judged) {
	var samples []prom.Sample
	written := map[string]series.Labels{}
	for _, k := range kept {
		v := k.verdicts
		named := e.named(k.labels)
		last := v.Series.Grid.N - 1
		for i := range v.Series.Grid.N {
			p := pointAt(v, i)
			for f, x := range p.values() {
				if math.IsNaN(p.score) || math.IsNaN(x) {
					continue
				}
				samples = append(samples, prom.Sample{Labels: named[f], Time: v.Series.Grid.At(i), Value: x})
				if i == last {
					written[named[f].String()] = named[f]
				}
			}
		}
	}
	for key, labels := range st.written {
		if _, still := written[key]; !still {
			samples = append(samples, prom.Sample{Labels: labels, Time: e.at, Value: prom.StaleMarker()})
		}
	}
	st.written = written
	if lost := w.Offer(samples...); lost > 0 {
		e.logger.Warn("remote write is behind: the oldest samples were dropped", "samples", lost)
	}
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
