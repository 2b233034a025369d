package scorer

import (
	"maps"
	"math"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	io_prometheus_client "github.com/prometheus/client_model/go"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// families are the published series: name and help.
var families = [...][2]string{
	{"foreshock_score", "How abnormal the newest sample is: 0 is ordinary, 1 and above an anomaly."},
	{"foreshock_expected", "What the detector expected instead of the newest sample."},
	{"foreshock_lower", "Lower limit of what is usual at the newest sample."},
	{"foreshock_upper", "Upper limit of what is usual at the newest sample."},
	{"foreshock_anomalous", "1 while an episode is open that the rule's policy confirmed, else 0."},
	{"foreshock_contribution", "How much of the score of a vector comes from one dimension: over the dimensions they sum to the score."},
	{"foreshock_joint_kind", "1 for the kind of what is abnormal in a vector: the correlation broke, all rose or fell together, or some moved apart; else 0."},
}

// The families by their index.
const (
	familyScore = iota
	familyExpected
	familyLower
	familyUpper
	familyAnomalous
	familyContribution
	familyKind
)

// output is one published series: its value at each judged sample, NaN where there is none.
type output struct {
	family int
	labels series.Labels
	pairs  []*io_prometheus_client.LabelPair
	values []float64
}

// make returns what is published of a series or vector, under those labels; own are the labels of the scorer among them.
func (f judged) make(labels series.Labels, own map[string]string) []output {
	shared := pairs(labels)
	v := f.verdicts
	anomalous := make([]float64, len(v.Anomalous))
	for i, open := range v.Anomalous {
		anomalous[i] = number(open)
	}
	out := []output{{familyScore, labels, shared, v.Score}, {familyAnomalous, labels, shared, anomalous}}
	if f.joint == nil {
		return append(out, output{familyExpected, labels, shared, v.Expected}, output{familyLower, labels, shared, v.Lower}, output{familyUpper, labels, shared, v.Upper})
	}
	more := func(family int, name, value string, values []float64) {
		all := maps.Clone(own)
		all[name] = value
		labels := published(f.labels, all)
		out = append(out, output{family, labels, pairs(labels), values})
	}
	for d, name := range f.joint.Vector.Names {
		more(familyContribution, "dimension", name, f.joint.Contributions[d])
	}
	for _, kind := range []detect.Break{detect.Correlation, detect.Together, detect.Apart} {
		values := make([]float64, len(f.joint.Break))
		for i, b := range f.joint.Break {
			values[i] = number(b == kind)
		}
		more(familyKind, "kind", kind.String(), values)
	}
	return out
}

// at is the value of an output at sample i: none where the sample has no score.
func (f judged) at(o output, i int) float64 {
	if f.verdicts.Score[i] != f.verdicts.Score[i] {
		return math.NaN()
	}
	return o.values[i]
}

// snapshot is what one evaluation of a rule found. It is not changed once published.
type snapshot struct {
	shown  []*gauge
	states map[detect.State]int
	// until is when the snapshot is too old to be shown, in milliseconds.
	until int64
}

// add shows what is said of sample i.
func (s *snapshot) add(f judged, i int) {
	for _, o := range f.outputs {
		if x := f.at(o, i); x == x {
			s.shown = append(s.shown, &gauge{familyDescs[o.family], o.pairs, x})
		}
	}
}

// board holds the newest snapshot of every rule and shows them to scrapes. It is an unchecked collector: its labels are those of the sources.
type board struct {
	now func() int64

	mu    sync.Mutex
	rules map[string]*snapshot
}

var (
	familyDescs = func() (d [len(families)]*prometheus.Desc) {
		for i, f := range families {
			d[i] = prometheus.NewDesc(f[0], f[1], nil, nil)
		}
		return d
	}()
	stateDesc = prometheus.NewDesc("foreshock_series_state", "Series of a rule by the state of their newest sample; only those with a score are published: ok, shifted, flat, and stale where the policy watches for absence.", []string{"rule", "state"}, nil)
)

// Describe sends nothing: an unchecked collector.
func (b *board) Describe(chan<- *prometheus.Desc) {}

// Collect sends what is not too old. The states of a rule are always complete.
func (b *board) Collect(ch chan<- prometheus.Metric) {
	now := b.now()
	for rule, s := range b.all() {
		stale := now > s.until
		for _, st := range detect.States() {
			n := 0
			if !stale {
				n = s.states[st]
			}
			ch <- prometheus.MustNewConstMetric(stateDesc, prometheus.GaugeValue, float64(n), rule, st.String())
		}
		if stale {
			continue
		}
		for _, g := range s.shown {
			ch <- g
		}
	}
}

func (b *board) all() map[string]*snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make(map[string]*snapshot, len(b.rules))
	for r, s := range b.rules {
		all[r] = s
	}
	return all
}

func (b *board) set(rule string, s *snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules[rule] = s
}

// keep drops all rules but these and gives an empty snapshot to those that have none yet. A rule that changed keeps the old one, so that a reload leaves no gap.
func (b *board) keep(rules []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := map[string]*snapshot{}
	for _, r := range rules {
		if s, ok := b.rules[r]; ok {
			kept[r] = s
		} else {
			kept[r] = &snapshot{}
		}
	}
	b.rules = kept
}

// gauge is a metric whose labels are made once, when they are found, and not at each scrape.
type gauge struct {
	desc   *prometheus.Desc
	labels []*io_prometheus_client.LabelPair
	value  float64
}

func (g *gauge) Desc() *prometheus.Desc { return g.desc }

func (g *gauge) Write(out *io_prometheus_client.Metric) error {
	out.Label = g.labels
	out.Gauge = &io_prometheus_client.Gauge{Value: &g.value}
	return nil
}
