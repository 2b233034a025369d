package api

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Why a delivery was not taken; label values.
const (
	resultNotJSON   = "not_json"
	resultSignature = "bad_signature"
	resultTooLarge  = "too_large"
	resultBusy      = "busy"
	resultRead      = "read_failed"
	resultAddress   = "bad_address"
	resultStore     = "store_failed"
)

func refusals() []string {
	return []string{resultNotJSON, resultSignature, resultTooLarge, resultBusy, resultRead, resultAddress, resultStore}
}

type metrics struct {
	refusedTotal *prometheus.CounterVec
	takenTotal   *prometheus.CounterVec
	bytes        prometheus.Histogram
	cut          prometheus.Counter
	leftOff      prometheus.Counter
	commands     *prometheus.CounterVec
	unauthorised prometheus.Counter
	interactions *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		refusedTotal: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foreshock_webhook_deliveries_refused_total", Help: "Deliveries that were not taken, by reason; all but not_json and bad_signature are answered 503 and come again.",
		}, []string{"reason"}),
		takenTotal: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foreshock_webhook_deliveries_taken_total", Help: "Deliveries that were durable when they were answered 200, by sender.",
		}, []string{"source"}),
		bytes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "foreshock_webhook_delivery_size_bytes", Help: "Unpacked size of the bodies of deliveries that were taken.",
			Buckets: prometheus.ExponentialBuckets(1024, 8, 7),
		}),
		cut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_webhook_texts_cut_total", Help: "Annotations and other prose that were shortened; labels never are.",
		}),
		leftOff: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_webhook_alerts_left_off_total", Help: "Alerts that senders said they left off their messages (max_alerts of Alertmanager); they were never seen here.",
		}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foreshock_webhook_commands_total", Help: "Commands of people on cases that were carried out.",
		}, []string{"command"}),
		unauthorised: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "foreshock_webhook_unauthorized_total", Help: "Requests without credentials, or with wrong ones, that were refused.",
		}),
	}
	m.interactions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "foreshock_webhook_interactions_total", Help: "What people did to cases from other services, by service and what became of it.",
	}, []string{"service", "result"})
	for _, s := range []string{"slack", "pagerduty", "link"} {
		for _, r := range []string{"done", "repeated", "too_late", "failed", "refused"} {
			m.interactions.WithLabelValues(s, r)
		}
	}
	for _, r := range refusals() {
		m.refusedTotal.WithLabelValues(r)
	}
	for _, s := range []alert.Source{alert.Alertmanager, alert.Grafana} {
		m.takenTotal.WithLabelValues(string(s))
	}
	for _, c := range Commands() {
		m.commands.WithLabelValues(string(c))
	}
	for _, c := range []prometheus.Collector{m.refusedTotal, m.takenTotal, m.bytes, m.cut, m.leftOff, m.commands, m.unauthorised, m.interactions} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the API: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) refused(reason string) { m.refusedTotal.WithLabelValues(reason).Inc() }

func (m *metrics) taken(d alert.Delivery) {
	m.takenTotal.WithLabelValues(string(d.Message.Source)).Inc()
	m.bytes.Observe(float64(d.RawSize))
	n := len(d.Message.Cut)
	for _, a := range d.Message.Alerts {
		n += len(a.Cut)
	}
	m.cut.Add(float64(n))
	m.leftOff.Add(float64(max(0, d.Message.TruncatedAlerts)))
}
