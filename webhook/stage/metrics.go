package stage

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of the chain. A nil *Metrics counts nothing.
type Metrics struct {
	alerts     *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	cases      *prometheus.CounterVec
	asks       *prometheus.CounterVec
	conflicts  prometheus.Counter
	duration   prometheus.Histogram
}

// NewMetrics registers the metrics, all label values at zero.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "foreshock", Subsystem: "webhook", Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	m := &Metrics{
		// The one number that the whole flow is judged by has no subsystem in its name.
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "foreshock", Name: "alerts_total", Help: "Alerts received, by what was decided and why.",
		}, []string{"decision", "reason"}),
		deliveries: vec("deliveries_total", "Deliveries that were made durable, and that failed.", "result"),
		cases:      vec("cases_total", "Cases opened, reopened and resolved by alerts, and those missed (over before they were seen to fire).", "change"),
		asks:       vec("authority_asks_total", "Alerts about which Alertmanager was asked, by its answer.", "answer"),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "foreshock", Subsystem: "webhook", Name: "commit_conflicts_total",
			Help: "Decisions made again because another receiver was first.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "foreshock", Subsystem: "webhook", Name: "delivery_duration_seconds",
			Help:    "Time from a decoded delivery to its durable commit.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	reg.MustRegister(m.alerts, m.conflicts, m.duration)
	for d, rs := range Reasons() {
		for _, r := range rs {
			m.alerts.WithLabelValues(string(d), string(r))
		}
	}
	for _, r := range []string{"durable", "failed"} {
		m.deliveries.WithLabelValues(r)
	}
	for _, c := range []string{"opened", "reopened", "resolved", "missed"} {
		m.cases.WithLabelValues(c)
	}
	for _, a := range []string{"firing", "over", "none"} {
		m.asks.WithLabelValues(a)
	}
	return m
}

func (m *Metrics) asked(a answer) {
	if m == nil {
		return
	}
	switch {
	case a.err != nil:
		m.asks.WithLabelValues("none").Inc()
	case a.firing:
		m.asks.WithLabelValues("firing").Inc()
	default:
		m.asks.WithLabelValues("over").Inc()
	}
}

func (m *Metrics) conflict() {
	if m != nil {
		m.conflicts.Inc()
	}
}

func (m *Metrics) failed() {
	if m != nil {
		m.deliveries.WithLabelValues("failed").Inc()
	}
}

func (m *Metrics) durable(ev Event, took time.Duration) {
	if m == nil {
		return
	}
	m.deliveries.WithLabelValues("durable").Inc()
	m.duration.Observe(took.Seconds())
	for i := range ev.Verdicts {
		d, r := ev.Verdicts[i].Final()
		m.alerts.WithLabelValues(string(d), string(r)).Inc()
	}
	for what, n := range ev.CaseChanges {
		m.cases.WithLabelValues(what).Add(float64(n))
	}
}
