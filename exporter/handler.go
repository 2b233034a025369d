package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/foreshock/foreshock/exporter/collector"
)

const healthPath = "/-/healthy"

// timeoutHeader is how Prometheus tells for how long it will wait.
const timeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds"

// newHandler returns everything that is served.
func newHandler(o *options, set *collector.Set, log *slog.Logger) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc(healthPath, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Healthy") })
	mux.Handle(o.path, newMetrics(o, set, log))
	answers := newSlots(o.maxRequests) // their own: who asks for templates takes no slot from Prometheus
	for pattern, h := range set.Routes() {
		mux.Handle(pattern, answers.limited("requests", h))
	}
	if o.path != "/" {
		page, err := web.NewLandingPage(web.LandingConfig{
			Name: "Foreshock exporter", Description: "Metrics of this host and its GPUs for Prometheus", Version: version.Info(),
			Links: []web.LandingLinks{{Address: o.path, Text: "Metrics"}, {Address: healthPath, Text: "Health"}},
		})
		if err != nil {
			return nil, fmt.Errorf("making the landing page: %w", err)
		}
		mux.Handle("/", page)
	}
	return mux, nil
}

// slots bound how many requests are answered at the same time; nil: no limit.
type slots chan struct{}

func newSlots(n int) slots {
	if n == 0 {
		return nil
	}
	return make(slots, n)
}

// limited answers 503 when all slots are taken. what is what they are taken by, in the plural.
func (s slots) limited(what string, h http.Handler) http.Handler {
	if s == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case s <- struct{}{}:
			defer func() { <-s }()
			h.ServeHTTP(w, r)
		default:
			http.Error(w, fmt.Sprintf("Limit of %d %s at the same time reached, try again later.", cap(s), what), http.StatusServiceUnavailable)
		}
	})
}

// metrics serves the scrapes.
type metrics struct {
	set             *collector.Set
	own             *prometheus.Registry
	timeout, offset time.Duration
	slots           slots
	ownMetrics      bool
	log             *slog.Logger
}

func newMetrics(o *options, set *collector.Set, log *slog.Logger) http.Handler {
	m := &metrics{set: set, own: prometheus.NewRegistry(), timeout: o.timeout, offset: o.offset, slots: newSlots(o.maxRequests), ownMetrics: o.ownMetrics, log: log}
	m.own.MustRegister(versioncollector.NewCollector("foreshock_exporter"))
	m.own.MustRegister(versioncollector.NewCollector("node_exporter")) // by this name the node mixin's dashboards find their hosts
	if !o.ownMetrics {
		return m
	}
	m.own.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.InstrumentMetricHandler(m.own, m)
}

// ServeHTTP answers one scrape. The parameters collect[] and exclude[] choose collectors, as at node_exporter.
func (m *metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.slots.limited("scrapes", http.HandlerFunc(m.answer)).ServeHTTP(w, r)
}

func (m *metrics) answer(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	names, err := m.set.Select(query["collect[]"], query["exclude[]"])
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), m.limit(r))
	defer cancel()
	scrape := prometheus.NewRegistry()
	scrape.MustRegister(m.set.Scrape(ctx, names))
	opts := promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelError), ErrorHandling: promhttp.ContinueOnError}
	if m.ownMetrics {
		opts.Registry = m.own
	}
	promhttp.HandlerFor(prometheus.Gatherers{m.own, scrape}, opts).ServeHTTP(w, r)
}

// limit returns how long the collectors may take: what the scraper waits less the offset, but never more than --collector.timeout. Of a very short
// scrape timeout at least half is left.
func (m *metrics) limit(r *http.Request) time.Duration {
	seconds, err := strconv.ParseFloat(r.Header.Get(timeoutHeader), 64)
	if err != nil || !(seconds > 0) || seconds > m.timeout.Seconds()+m.offset.Seconds() {
		return m.timeout
	}
	told := time.Duration(seconds * float64(time.Second))
	return min(max(told-m.offset, told/2), m.timeout)
}
