package scorer

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// slow is a Prometheus without series whose requests wait: each sends a channel of its kind and goes on when that is closed.
type slow struct {
	*httptest.Server
	ranges, runtimes chan chan struct{}
}

func newSlow(t *testing.T) *slow {
	t.Helper()
	s := &slow{ranges: make(chan chan struct{}, 10), runtimes: make(chan chan struct{}, 10)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, entered, goOn := `{"resultType":"matrix","result":[]}`, s.ranges, make(chan struct{})
		if r.URL.Path == "/api/v1/status/runtimeinfo" {
			data, entered = `{"storageRetention":"30d"}`, s.runtimes
		}
		entered <- goOn
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","data":%s}`, data)
	}))
	t.Cleanup(s.Close)
	return s
}

// While one rule waits for what the server tells about itself, another goes on and /metrics answers.
func TestMetricsDoNotWaitForPrometheus(t *testing.T) {
	t.Parallel()
	server := newSlow(t)
	reg := prometheus.NewRegistry()
	text := "prometheus: {url: '" + server.URL + "'}\nrules: [{name: a, expr: a, step: 1h, policy: {horizon: 2d}}, {name: b, expr: b}]"
	s, err := New(parse(t, text), Options{Registry: reg})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := func(rule string, at time.Time) chan error {
		done := make(chan error, 1)
		go func() { done <- s.evaluate(ctx, s.states[rule], at.UnixMilli()) }()
		return done
	}
	a := run("a", start)
	close(<-server.runtimes)
	asked := <-server.ranges // a waits for its samples, in one request
	b := run("b", start.Add(2*time.Hour))
	stuck := <-server.runtimes // what was told before is too old by then: b asks again
	close(asked)
	scraped := make(chan error, 1)
	go func() {
		if err := <-a; err != nil {
			scraped <- err
			return
		}
		_, err := reg.Gather()
		scraped <- err
	}()
	select {
	case err := <-scraped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("an evaluation that has its samples, or a scrape, waits for the retention that another rule asks for")
	}
	close(stuck)
	go func() {
		for goOn := range server.ranges {
			close(goOn)
		}
	}()
	if err := <-b; err != nil {
		t.Error(err)
	}
	close(server.ranges)
}
