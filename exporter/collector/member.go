package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// member is one collector of a Set with the run that is in progress.
type member struct {
	name                     string
	c                        Collector
	log                      *slog.Logger
	duration, success, stuck series

	mu   sync.Mutex
	run  *run   // nil when none is in progress
	last string // the last trouble that was logged, "" after a success
	size int    // how many metrics the last run had
}

// run is one Update. Its results may be read once done is closed.
type run struct {
	began   time.Time
	done    chan struct{}
	late    bool // a scrape went on without it; guarded by member.mu
	metrics []prometheus.Metric
	err     error
	took    time.Duration
}

// errPanic marks a collector that panicked.
var errPanic = errors.New("panic")

// collect joins the run in progress or starts one, waits for it until ctx ends, and sends its metrics and how it went.
func (m *member) collect(ctx context.Context, ch chan<- prometheus.Metric) {
	r, stuck := m.join(ctx)
	if stuck {
		m.report(ch, time.Since(r.began), fmt.Errorf("still busy since %s with a scrape that went on without it; it is not started again before it comes back",
			r.began.Format(time.RFC3339)), time.Since(r.began))
		return
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if m.abandon(ctx, r) {
			took := time.Since(r.began)
			m.report(ch, took, fmt.Errorf("no answer after %s; the scrape went on without it", took.Round(time.Millisecond)), took)
			return
		}
	}
	for _, metric := range r.metrics {
		ch <- metric
	}
	m.report(ch, r.took, r.err, 0)
}

// join returns the run in progress or a new one, and whether it is one that an earlier scrape has given up on.
func (m *member) join(ctx context.Context) (r *run, stuck bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil {
		m.start(ctx)
	}
	return m.run, m.run.late
}

// start begins a run. It lives apart from the request that asked first, because others may join; it keeps that request's time limit.
func (m *member) start(ctx context.Context) {
	r := &run{began: time.Now(), done: make(chan struct{}), metrics: make([]prometheus.Metric, 0, m.size)}
	m.run = r
	own, cancel := context.WithCancel(context.Background())
	if deadline, ok := ctx.Deadline(); ok {
		cancel()
		own, cancel = context.WithDeadline(context.Background(), deadline.Add(-grace(time.Until(deadline))))
	}
	ch := make(chan prometheus.Metric, max(m.size, 16))
	go func() {
		defer cancel()
		defer close(ch)
		r.err = m.update(own, ch)
	}()
	go func() {
		for metric := range ch {
			r.metrics = append(r.metrics, metric)
		}
		r.took = time.Since(r.began)
		m.mu.Lock()
		m.run, m.size = nil, len(r.metrics)
		if r.late {
			m.log.Info("The collector came back", "after", r.took.Round(time.Millisecond))
		}
		m.mu.Unlock()
		close(r.done)
	}()
}

// update runs the collector and turns a panic into an error.
func (m *member) update(ctx context.Context, ch chan<- prometheus.Metric) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
			m.log.Error("The collector panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	return m.c.Update(ctx, ch)
}

// keepRunning calls Run until ctx ends.
func (m *member) keepRunning(ctx context.Context, r Runner) {
	for ctx.Err() == nil {
		err := m.runOnce(ctx, r)
		if err == nil || ctx.Err() != nil {
			return
		}
		m.log.Error("The collector stopped its work between scrapes; it is started again", "err", err, "in", runAgain)
		select {
		case <-ctx.Done():
		case <-time.After(runAgain):
		}
	}
}

// runOnce calls Run and turns a panic into an error.
func (m *member) runOnce(ctx context.Context, r Runner) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	return r.Run(ctx)
}

// abandon marks the run as late because the time is over. It reports false when the run has ended just now and can be used. A client that hung
// up says nothing about the collector.
func (m *member) abandon(ctx context.Context, r *run) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-r.done:
		return false
	default:
	}
	if m.run == r && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		r.late = true
	}
	return true
}

// report sends how the run went, and logs it when it differs from the last time: a host without a GPU must not fill the log.
func (m *member) report(ch chan<- prometheus.Metric, took time.Duration, err error, stuck time.Duration) {
	success := 1.0
	if err != nil {
		success = 0
	}
	m.duration.send(ch, took.Seconds())
	m.success.send(ch, success)
	m.stuck.send(ch, stuck.Seconds())
	m.tell(took, err)
}

func (m *member) tell(took time.Duration, err error) {
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	m.mu.Lock()
	before := m.last
	m.last = trouble
	m.mu.Unlock()
	switch {
	case trouble == before:
		m.log.Debug("Collected", "took", took, "err", err)
	case err == nil:
		m.log.Info("The collector works again", "took", took)
	case errors.Is(err, ErrNoData):
		m.log.Info("Nothing to collect", "reason", err)
	default:
		m.log.Warn("The collector failed", "err", err, "took", took)
	}
}
