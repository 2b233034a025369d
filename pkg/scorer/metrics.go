package scorer

import (
	"errors"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/prom"
)

// reasons are the values of the label reason: why an evaluation, or a part of it, failed.
var reasons = []string{"query", "timeout", "unavailable", "too_many_samples", "auth", "not_prometheus", "fit", "duplicate_labels"}

// reason returns the label value for an error of the source.
func reason(err error) string {
	var e *prom.Error
	if !errors.As(err, &e) {
		return "unavailable"
	}
	switch e.Kind {
	case prom.KindBadQuery:
		return "query"
	case prom.KindTimeout:
		return "timeout"
	case prom.KindTooManySamples:
		return "too_many_samples"
	case prom.KindAuth:
		return "auth"
	case prom.KindNotPrometheus:
		return "not_prometheus"
	}
	return "unavailable"
}

// metrics say what each rule costs. The label rule takes the names of the file; a rule that leaves the file takes its series along.
type metrics struct {
	duration        *prometheus.SummaryVec
	samples, fits   *prometheus.CounterVec
	series, dropped *prometheus.GaugeVec
	last            *prometheus.GaugeVec
	failures        *prometheus.CounterVec
	missed          *prometheus.CounterVec
	rules           prometheus.Gauge
	armed           *prometheus.GaugeVec
	tests           *prometheus.GaugeVec
}

func newMetrics() *metrics {
	rule := []string{"rule"}
	return &metrics{
		duration: prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: "foreshock_scorer_rule_duration_seconds", Help: "Time that evaluations of the rule took, the queries included."}, rule),
		samples:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foreshock_scorer_rule_samples_total", Help: "Samples that evaluations of the rule looked at: history and present of each judged series."}, rule),
		fits:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foreshock_scorer_rule_fits_total", Help: "Models fitted for the rule; what the cache held is not counted."}, rule),
		series:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foreshock_scorer_rule_series", Help: "Series that the last evaluation of the rule judged."}, rule),
		dropped:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foreshock_scorer_rule_dropped_series", Help: "Series that the last evaluation did not judge because of max_series, of the limits of the client, or because their labels without the name were not unique."}, rule),
		last:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foreshock_scorer_rule_last_evaluation_timestamp_seconds", Help: "Unix time for which the rule was last evaluated with success; 0 before."}, rule),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foreshock_scorer_rule_failures_total", Help: "Evaluations of the rule that failed, and single series of it that could not be judged or published, by reason."}, []string{"rule", "reason"}),
		missed:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foreshock_scorer_rule_missed_evaluations_total", Help: "Evaluations left out because the one before had not ended."}, rule),
		armed:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foreshock_scorer_rule_armed", Help: "1 while the rule, as the file has it now, is published, 0 before and after a failed self-test."}, rule),
		tests:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foreshock_scorer_rule_selftest", Help: "1 for the outcome of the rule's last self-test: passed, noisy, failed, not-tested, off, or pending before the first."}, []string{"rule", "outcome"}),
		rules:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "foreshock_scorer_rules", Help: "Rules of the configuration in force."}),
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.duration, m.samples, m.fits, m.series, m.dropped, m.last, m.failures, m.missed, m.rules, m.armed, m.tests}
}

// keep initialises the series of these rules and drops those of all others. Only rules that are the same keep their outcome.
func (m *metrics) keep(before, now []string, same func(rule string) bool) {
	for _, r := range before {
		if !slices.Contains(now, r) {
			m.forget(r)
		}
	}
	for _, r := range now {
		m.duration.WithLabelValues(r)
		m.samples.WithLabelValues(r)
		m.fits.WithLabelValues(r)
		m.series.WithLabelValues(r)
		m.dropped.WithLabelValues(r)
		m.last.WithLabelValues(r)
		m.missed.WithLabelValues(r)
		if !same(r) {
			m.tested(r, outcomePending, false)
		}
		for _, why := range reasons {
			m.failures.WithLabelValues(r, why)
		}
	}
	m.rules.Set(float64(len(now)))
}

func (m *metrics) forget(rule string) {
	m.duration.DeleteLabelValues(rule)
	m.samples.DeleteLabelValues(rule)
	m.fits.DeleteLabelValues(rule)
	m.series.DeleteLabelValues(rule)
	m.dropped.DeleteLabelValues(rule)
	m.last.DeleteLabelValues(rule)
	m.missed.DeleteLabelValues(rule)
	m.failures.DeletePartialMatch(prometheus.Labels{"rule": rule})
	m.armed.DeleteLabelValues(rule)
	m.tests.DeletePartialMatch(prometheus.Labels{"rule": rule})
}

// tested shows the outcome of a rule's self-test.
func (m *metrics) tested(rule, outcome string, armed bool) {
	for _, o := range testOutcomes {
		m.tests.WithLabelValues(rule, o).Set(number(o == outcome))
	}
	m.armed.WithLabelValues(rule).Set(number(armed))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// newStateMetrics reads the caches and the remote writer when it is scraped.
func newStateMetrics(s *Scorer) []prometheus.Collector {
	writer := func() prom.RemoteStats {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.server.writer == nil {
			return prom.RemoteStats{}
		}
		return s.server.writer.Stats()
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	counter := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f)
	}
	return []prometheus.Collector{
		gauge("foreshock_scorer_fit_cache_bytes", "Memory of the models kept.", func() float64 { return float64(s.fits.Stats().Bytes) }),
		gauge("foreshock_scorer_fit_cache_models", "Models kept.", func() float64 { return float64(s.fits.Stats().Models) }),
		counter("foreshock_scorer_fit_cache_hits_total", "Models wanted that were kept.", func() float64 { return float64(s.fits.Stats().Hits) }),
		counter("foreshock_scorer_fit_cache_misses_total", "Models wanted that had to be fitted.", func() float64 { return float64(s.fits.Stats().Misses) }),
		counter("foreshock_scorer_fit_cache_evictions_total", "Models dropped for room: when it grows the cache is too small and models are fitted again and again.", func() float64 { return float64(s.fits.Stats().Evicted) }),
		gauge("foreshock_scorer_remote_write_pending_samples", "Samples that wait to be sent.", func() float64 { return float64(writer().Pending) }),
		counter("foreshock_scorer_remote_write_sent_samples_total", "Samples that the receiver took, since the connection was configured.", func() float64 { return float64(writer().Sent) }),
		counter("foreshock_scorer_remote_write_dropped_samples_total", "Samples given up: too old or no room.", func() float64 { return float64(writer().Dropped) }),
		counter("foreshock_scorer_remote_write_rejected_samples_total", "Samples that the receiver refused.", func() float64 { return float64(writer().Rejected) }),
	}
}
