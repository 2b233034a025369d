package scorer

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/foreshock/foreshock/pkg/prom"
)

// server is the connections of one configuration.
type server struct {
	source Source
	client *prom.Client       // nil when the source was given
	writer *prom.RemoteWriter // nil without remote write

	// asking is held while the server is asked, mu only as long as memory is read: a scrape of /metrics must not wait for Prometheus.
	asking      sync.Mutex
	asked, next int64

	mu    sync.Mutex
	known prom.History
}

// retentionEvery is how often the server is asked how far back its history reaches, retentionAgain how soon after a failure; milliseconds.
const (
	retentionEvery = int64(60 * 60 * 1000)
	retentionAgain = int64(60 * 1000)
)

func (s *Scorer) connect(conf Config) (*server, error) {
	out := &server{source: s.fixed}
	if s.fixed == nil {
		if conf.Prometheus.URL == "" {
			return nil, errors.New("field \"prometheus.url\": got nothing, want an address like http://prometheus:9090, here or as --prometheus.url")
		}
		h, err := client(conf.PrometheusHTTP)
		if err != nil {
			return nil, fmt.Errorf("prometheus: %w", err)
		}
		limits := prom.Limits{MaxConcurrent: conf.Prometheus.MaxConcurrent, MaxSeries: conf.Prometheus.MaxSeries, MaxBytes: conf.Prometheus.MaxBytes}
		if out.client, err = prom.New(prom.Options{URL: conf.Prometheus.URL, HTTP: h, Limits: limits}); err != nil {
			return nil, fmt.Errorf("field \"prometheus.url\": %w", err)
		}
		settle := max(conf.Prometheus.SealAfter, conf.Prometheus.Settle)
		out.source = prom.NewBlocks(out.client, prom.BlocksOptions{MaxBytes: s.blockBytes, Settle: settle.Std()})
	}
	if conf.RemoteWrite.URL == "" {
		return out, nil
	}
	h, err := client(conf.RemoteWriteHTTP)
	if err != nil {
		return nil, fmt.Errorf("remote_write: %w", err)
	}
	out.writer, err = prom.NewRemoteWriter(prom.RemoteOptions{URL: conf.RemoteWrite.URL, HTTP: h, MaxPending: conf.RemoteWrite.MaxPending, OnError: func(err error, lost int) {
		s.logger.Warn("remote write failed", "err", err, "lost", lost)
	}})
	if err != nil {
		return nil, fmt.Errorf("field \"remote_write.url\": %w", err)
	}
	return out, nil
}

// sameServer reports whether both configurations reach the same servers in the same way.
func sameServer(a, b Config) bool {
	return reflect.DeepEqual(a.Prometheus, b.Prometheus) && reflect.DeepEqual(a.PrometheusHTTP, b.PrometheusHTTP) &&
		reflect.DeepEqual(a.RemoteWrite, b.RemoteWrite) && reflect.DeepEqual(a.RemoteWriteHTTP, b.RemoteWriteHTTP)
}

func (s *server) stop() {
	if s == nil {
		return
	}
	if s.client != nil {
		s.client.Close()
	}
}

// send runs the remote writer; the returned function ends it and waits for what is pending.
func (s *server) send(ctx context.Context) (end func()) {
	if s.writer == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.writer.Run(ctx) // always nil
	}()
	return func() { cancel(); <-done }
}

// refresh asks how far back the history reaches when that is due, and returns whether the retention has changed. Not knowing it is no reason not to judge.
func (s *server) refresh(ctx context.Context, now int64) (changed bool) {
	if s.client == nil {
		return false
	}
	s.asking.Lock()
	defer s.asking.Unlock()
	if now >= s.asked && now < s.next {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	h, err := s.client.History(ctx, now)
	s.asked = now
	if err != nil {
		s.next = now + retentionAgain // the evaluation that follows tells what is wrong
		return false
	}
	s.next = now + retentionEvery
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = s.known.Retention != h.Retention
	s.known = h
	return changed
}

// history returns what is known of it.
func (s *server) history() prom.History {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}
