package scorer

import (
	"math"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	io_prometheus_client "github.com/prometheus/client_model/go"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// point is what is published of one series.
type point struct {
	labels                                   series.Labels
	pairs                                    []*io_prometheus_client.LabelPair
	score, expected, lower, upper, anomalous float64
}

// values are in the order of families.
func (p *point) values() [5]float64 {
	return [...]float64{p.score, p.expected, p.lower, p.upper, p.anomalous}
}

// pointAt is what the verdicts say of sample i.
func pointAt(v detect.Verdicts, i int) point {
	p := point{score: v.Score[i], expected: v.Expected[i], lower: v.Lower[i], upper: v.Upper[i]}
	if v.Anomalous[i] {
		p.anomalous = 1
	}
	return p
}

// families are the published series: name and help.
var families = [5][2]string{
	{"foreshock_score", "How abnormal the newest sample is: 0 is ordinary, 1 and above an anomaly."},
	{"foreshock_expected", "What the detector expected instead of the newest sample."},
	{"foreshock_lower", "Lower limit of what is usual at the newest sample."},
	{"foreshock_upper", "Upper limit of what is usual at the newest sample."},
	{"foreshock_anomalous", "1 while an episode is open that the rule's policy confirmed, else 0."},
}

// snapshot is what one evaluation of a rule found. It is not changed once published.
type snapshot struct {
	points []point
	states map[detect.State]int
	// until is when the snapshot is too old to be shown, in milliseconds.
	until int64
}

// board holds the newest snapshot of every rule and shows them to scrapes. It is an unchecked collector: its labels are those of the sources.
type board struct {
	now func() int64

	mu    sync.Mutex
	rules map[string]*snapshot
}

var (
	familyDescs = func() (d [5]*prometheus.Desc) {
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
		for i := range s.points {
			p := &s.points[i]
			for f, x := range p.values() {
				if !math.IsNaN(x) {
					ch <- &gauge{familyDescs[f], p.pairs, x}
				}
			}
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
