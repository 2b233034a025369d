package httpserver

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the server: label sets are closed. handler is a pattern of a ServeMux, never a path.
type metrics struct {
	requests     *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	inFlight     prometheus.Gauge
	reloadOK     prometheus.Gauge
	reloadOKTime prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, reloads bool) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "foreshock_http_requests_total", Help: "HTTP requests answered, by route, method and class of status code.",
		}, []string{"handler", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "foreshock_http_request_duration_seconds", Help: "Time from the headers of a request to the end of its answer.",
			Buckets: []float64{.001, .005, .025, .1, .25, 1, 2.5, 10, 30},
		}, []string{"handler"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "foreshock_http_requests_in_flight", Help: "HTTP requests being answered.",
		}),
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "foreshock_config_last_reload_successful", Help: "1 when the configuration last given was accepted, 0 when it was refused and the one before is in force.",
		}),
		reloadOKTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "foreshock_config_last_reload_success_timestamp_seconds", Help: "Unix time at which the configuration in force was loaded.",
		}),
	}
	all := []prometheus.Collector{m.requests, m.duration, m.inFlight}
	if reloads {
		all = append(all, m.reloadOK, m.reloadOKTime)
		m.reloaded(true) // whoever starts a server has loaded its configuration
	}
	for _, handler := range []string{"/metrics", "/-/healthy", "/-/ready"} {
		m.requests.WithLabelValues(handler, http.MethodGet, "2xx")
	}
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) reloaded(ok bool) {
	if !ok {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadOKTime.SetToCurrentTime()
}

// observe counts and times what h answers, and turns a panic into a 500 that is logged with its stack.
func (s *Server) observe(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.metrics.inFlight.Inc()
		began := time.Now()
		rec := &recorder{ResponseWriter: w}
		defer func() {
			p := recover()
			if p != nil && !isAbort(p) {
				s.logger.Error("a handler panicked", "route", route(r.Pattern), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if rec.code == 0 {
					answer(rec, http.StatusInternalServerError, "internal error; see the log")
					p = nil
				} else {
					p = http.ErrAbortHandler // too late for a status: the client must see a broken answer, not a short one
				}
			}
			s.metrics.inFlight.Dec()
			s.metrics.requests.WithLabelValues(route(r.Pattern), method(r.Method), class(rec.code)).Inc()
			s.metrics.duration.WithLabelValues(route(r.Pattern)).Observe(time.Since(began).Seconds())
			if p != nil {
				panic(p)
			}
		}()
		h.ServeHTTP(rec, r)
	})
}

func isAbort(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// recorder remembers the status. Unwrap keeps flushing and deadlines working through http.ResponseController.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	if r.code == 0 && code >= 200 { // 1xx are not the answer
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Flush() { http.NewResponseController(r.ResponseWriter).Flush() }

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// route is the path part of a ServeMux pattern: the innermost mux that matched has set it, so that its number is bounded
// by the code and not by clients. No match gives "none".
func route(pattern string) string {
	if pattern == "" {
		return "none"
	}
	if i := strings.IndexByte(pattern, '/'); i >= 0 {
		return pattern[i:]
	}
	return pattern
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

func method(m string) string {
	if slices.Contains(methods, m) {
		return m
	}
	return "other"
}

func class(code int) string {
	switch {
	case code == 0:
		return "2xx" // a handler that wrote nothing: net/http answers 200
	case code < 100 || code > 599:
		return "other"
	}
	return fmt.Sprintf("%dxx", code/100)
}

// gatherLog passes promhttp's complaints on.
type gatherLog struct{ logger *slog.Logger }

func (g gatherLog) Println(v ...any) {
	g.logger.Error("gathering metrics", "err", strings.TrimSpace(fmt.Sprintln(v...)))
}
