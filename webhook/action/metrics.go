package action

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Results of attempts, as counted.
const (
	resultDone    = "done"
	resultRetry   = "retry"
	resultDead    = "dead"
	resultUnknown = "unknown" // its process vanished
	resultLost    = "lost"    // it ended after its lease had gone to another
)

// Metrics of the executor. A nil *Metrics counts nothing.
type Metrics struct {
	attempts *prometheus.CounterVec
	duration *prometheus.HistogramVec
	lag      *prometheus.HistogramVec
	running  prometheus.Gauge
	steps    *prometheus.CounterVec
	lapsed   *prometheus.CounterVec
	due      *prometheus.CounterVec
	jumps    prometheus.Counter
	errors   prometheus.Counter

	state, latency *prometheus.GaugeVec
	waits, pleas   *prometheus.CounterVec
	digests        *prometheus.CounterVec
	digested       *prometheus.CounterVec
	relays         *prometheus.CounterVec
}

// NewMetrics registers the metrics, with all results of the given channels at
// zero. Channel names come from the configuration, never from alerts.
func NewMetrics(reg prometheus.Registerer, channels ...string) *Metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "foreshock", Subsystem: "webhook", Name: name, Help: help}
	}
	hist := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "foreshock", Subsystem: "webhook", Name: name, Help: help, Buckets: buckets,
		}, []string{"channel"})
	}
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts(opts("action_attempts_total", "Attempts of actions, by what they led to.")), []string{"channel", "result"}),
		duration: hist("action_attempt_duration_seconds", "Time that one attempt took.", []float64{.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 15}),
		lag:      hist("action_lag_seconds", "Time from when an action was due until its attempt began.", []float64{.01, .05, .25, 1, 5, 30, 60, 300, 1800}),
		running:  prometheus.NewGauge(prometheus.GaugeOpts(opts("actions_running", "Attempts that run now."))),
		errors:   prometheus.NewCounter(prometheus.CounterOpts(opts("action_store_errors_total", "Failures of the store while actions were run."))),
	}
	m.steps = prometheus.NewCounterVec(prometheus.CounterOpts(opts("escalations_total", "Steps of ladders that were carried out, by grade.")), []string{"grade"})
	m.lapsed = prometheus.NewCounterVec(prometheus.CounterOpts(opts("acknowledgements_expired_total", "Acknowledgements that ran out, by grade.")), []string{"grade"})
	m.due = prometheus.NewCounterVec(prometheus.CounterOpts(opts("sla_total", "Cases about whose time to be solved people were warned, and that breached it, by grade.")), []string{"grade", "what"})
	m.jumps = prometheus.NewCounter(prometheus.CounterOpts(opts("clock_jumps_total", "Jumps of the wall clock; what waits is moved with them.")))
	reg.MustRegister(m.jumps)
	for _, g := range policy.Grades() {
		m.steps.WithLabelValues(g.String())
		m.lapsed.WithLabelValues(g.String())
		m.due.WithLabelValues(g.String(), "warned")
		m.due.WithLabelValues(g.String(), "breached")
	}
	perChannel := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), []string{"channel"})
	}
	m.state = prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("channel_health", "Share of the last ten messages that got through; 0 while the breaker is open, -1 before the first message.")), []string{"channel"})
	m.latency = prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("channel_latency_seconds", "Mean time of those of the last ten messages that got through.")), []string{"channel"})
	m.waits = perChannel("quota_waits_total", "Times that a channel had to wait since its quota was spent.")
	m.pleas = perChannel("throttled_total", "Times that the other side asked to wait.")
	m.digests = perChannel("digests_total", "Messages that were several in one.")
	m.digested = perChannel("digested_messages_total", "Messages that went out within another.")
	m.relays = perChannel("relayed_messages_total", "Messages that were given to another channel since this one did not take them.")
	reg.MustRegister(m.state, m.latency, m.waits, m.pleas, m.digests, m.digested, m.relays)
	for _, c := range channels {
		m.state.WithLabelValues(c).Set(-1)
		for _, v := range []*prometheus.CounterVec{m.waits, m.pleas, m.digests, m.digested, m.relays} {
			v.WithLabelValues(c)
		}
	}
	reg.MustRegister(m.attempts, m.duration, m.lag, m.running, m.errors, m.steps, m.lapsed, m.due)
	for _, c := range append([]string{cases.InternalChannel}, channels...) {
		for _, r := range []string{resultDone, resultRetry, resultDead, resultUnknown, resultLost} {
			m.attempts.WithLabelValues(c, r)
		}
		m.duration.WithLabelValues(c)
		m.lag.WithLabelValues(c)
	}
	return m
}

func (m *Metrics) attempt(channel, result string) {
	if m != nil {
		m.attempts.WithLabelValues(channel, result).Inc()
	}
}

func (m *Metrics) began(channel string, lag time.Duration) {
	if m != nil {
		m.running.Inc()
		m.lag.WithLabelValues(channel).Observe(max(0, lag.Seconds()))
	}
}

func (m *Metrics) escalated(g policy.Grade) {
	if m != nil {
		m.steps.WithLabelValues(g.String()).Inc()
	}
}

func (m *Metrics) expired(g policy.Grade) {
	if m != nil {
		m.lapsed.WithLabelValues(g.String()).Inc()
	}
}

func (m *Metrics) jumped() {
	if m != nil {
		m.jumps.Inc()
	}
}

func (m *Metrics) sla(g policy.Grade, what string) {
	if m != nil {
		m.due.WithLabelValues(g.String(), what).Inc()
	}
}

func (m *Metrics) ended() {
	if m != nil {
		m.running.Dec()
	}
}

func (m *Metrics) took(channel string, d time.Duration) {
	if m != nil {
		m.duration.WithLabelValues(channel).Observe(d.Seconds())
	}
}

func (m *Metrics) storeError() {
	if m != nil {
		m.errors.Inc()
	}
}

func (m *Metrics) health(h ChannelHealth) {
	if m == nil {
		return
	}
	share := -1.0
	if h.All > 0 {
		share = float64(h.Good) / float64(h.All)
	}
	if !h.Probe.IsZero() {
		share = 0
	}
	m.state.WithLabelValues(h.Channel).Set(share)
	m.latency.WithLabelValues(h.Channel).Set(h.Latency.Seconds())
}

func (m *Metrics) throttled(channel string) {
	if m != nil {
		m.waits.WithLabelValues(channel).Inc()
	}
}

func (m *Metrics) asked(channel string) {
	if m != nil {
		m.pleas.WithLabelValues(channel).Inc()
	}
}

func (m *Metrics) digest(channel string, n int) {
	if m != nil {
		m.digests.WithLabelValues(channel).Inc()
		m.digested.WithLabelValues(channel).Add(float64(n))
	}
}

func (m *Metrics) relayed(channel string) {
	if m != nil {
		m.relays.WithLabelValues(channel).Inc()
	}
}
