package prom

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/golang/snappy"
)

// RemoteOptions of a RemoteWriter. URL is required; a zero field means the default given with it.
type RemoteOptions struct {
	URL        string           // the whole address, such as http://prometheus:9090/api/v1/write; user and password as in Options
	HTTP       *http.Client     // nil as in Options
	Header     http.Header      // added to every request
	MaxPending int              // samples that wait, 100,000; the oldest go first when there are more
	MaxBatch   int              // samples in one request, 2,000: Prometheus' own default
	MaxAge     time.Duration    // how long a sample is tried, 5 min: later it is of no use for alerting
	Timeout    time.Duration    // of one request, 30 s
	MinBackoff time.Duration    // after the first failure, 500 ms, doubling up to
	MaxBackoff time.Duration    // 30 s; an answer's Retry-After takes its place, up to MaxAge
	Stop       time.Duration    // for what is pending when the context ends, 5 s
	OnError    func(error, int) // is told of every failed request, with how many samples were lost by it (0: it will be tried again)

	now func() time.Time // for tests
}

// RemoteWriter sends samples by Prometheus remote write 1.0 (protobuf in snappy). Offer never blocks; Run sends. What cannot
// be sent in time is dropped and counted, oldest first.
type RemoteWriter struct {
	client *Client
	query  string
	o      RemoteOptions

	mu      sync.Mutex
	pending []pendingSample
	news    chan struct{} // has room for one
	stats   RemoteStats
}

// RemoteStats counts samples since the beginning, but for Pending, which is of now.
type RemoteStats struct {
	Pending                 int
	Sent, Dropped, Rejected uint64 // acknowledged; too old or no room; refused by the receiver (4xx)
	Requests, Retries       uint64
}

type pendingSample struct {
	Sample
	offered time.Time
}

// StaleMarker is the value that ends a series at once instead of after five minutes.
func StaleMarker() float64 { return math.Float64frombits(0x7ff0000000000002) }

// NewRemoteWriter checks the options; it sends nothing.
func NewRemoteWriter(o RemoteOptions) (*RemoteWriter, error) {
	client, err := New(Options{URL: o.URL, HTTP: o.HTTP, Header: o.Header})
	if err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	if client.base.Path == "" {
		return nil, fmt.Errorf("remote write: the URL %s has no path: want something like %s/api/v1/write", client.Address(), client.Address())
	}
	query := ""
	if u, err := url.Parse(o.URL); err == nil && u.RawQuery != "" {
		query = "?" + u.RawQuery
	}
	for _, n := range []struct {
		v   *int
		def int
	}{{&o.MaxPending, 100_000}, {&o.MaxBatch, 2000}} {
		if *n.v <= 0 {
			*n.v = n.def
		}
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&o.MaxAge, 5 * time.Minute}, {&o.Timeout, 30 * time.Second}, {&o.MinBackoff, 500 * time.Millisecond}, {&o.MaxBackoff, 30 * time.Second}, {&o.Stop, 5 * time.Second}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if o.OnError == nil {
		o.OnError = func(error, int) {}
	}
	if o.now == nil {
		o.now = time.Now
	}
	return &RemoteWriter{client: client, query: query, o: o, news: make(chan struct{}, 1)}, nil
}

// Offer queues samples and returns at once; how many older ones had to go for them is the result. Labels are kept, not
// copied: they must not be written later.
func (w *RemoteWriter) Offer(samples ...Sample) (dropped int) {
	now := w.o.now()
	w.mu.Lock()
	for _, s := range samples {
		w.pending = append(w.pending, pendingSample{s, now})
	}
	dropped = max(0, len(w.pending)-w.o.MaxPending)
	w.pending = slices.Delete(w.pending, 0, dropped)
	w.stats.Dropped += uint64(dropped)
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
	return dropped
}

// Stats tells how it goes.
func (w *RemoteWriter) Stats() RemoteStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	s.Pending += len(w.pending)
	return s
}

// Run sends what is offered until ctx ends, then tries once, for at most RemoteOptions.Stop, to send what is left, and
// returns nil. Only one may run.
func (w *RemoteWriter) Run(ctx context.Context) error {
	defer w.client.Close()
	// Requests live longer than ctx: one that is on its way when the program stops has its time to end.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(w.o.Stop):
			cancel()
		case <-work.Done():
		}
	})()
	for {
		batch := w.take()
		if len(batch) > 0 {
			if rest := w.deliver(ctx, work, batch); len(rest) > 0 {
				w.last(work, rest)
				return nil
			}
			continue
		}
		select {
		case <-ctx.Done():
			w.last(work, nil)
			return nil
		case <-w.news:
		}
	}
}

// take moves the oldest samples from the queue into a batch.
func (w *RemoteWriter) take() []pendingSample {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.pending), w.o.MaxBatch)
	batch := slices.Clone(w.pending[:n])
	w.pending = slices.Delete(w.pending, 0, n)
	w.stats.Pending = n
	return batch
}

// settle counts n samples of the batch as done with.
func (w *RemoteWriter) settle(n int, counter *uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Pending -= n
	*counter += uint64(n)
}

// deliver sends a batch, in requests that live as long as work, until it is accepted, refused or too old. When ctx ends
// before, what is left is returned.
func (w *RemoteWriter) deliver(ctx, work context.Context, batch []pendingSample) (rest []pendingSample) {
	for backoff := w.o.MinBackoff; ; backoff = min(2*backoff, w.o.MaxBackoff) {
		if batch = w.young(batch); len(batch) == 0 {
			return nil
		}
		wait, err := w.attempt(work, batch)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return batch
		}
		if wait == 0 {
			wait = backoff/2 + rand.N(backoff)
		}
		select {
		case <-ctx.Done():
			return batch
		case <-time.After(min(wait, w.o.MaxAge)):
		}
		w.mu.Lock()
		w.stats.Retries++
		w.mu.Unlock()
	}
}

// young drops the samples of a batch that were tried for too long.
func (w *RemoteWriter) young(batch []pendingSample) []pendingSample {
	old := 0
	for now := w.o.now(); old < len(batch) && now.Sub(batch[old].offered) > w.o.MaxAge; {
		old++
	}
	if old > 0 {
		w.settle(old, &w.stats.Dropped)
		w.o.OnError(fmt.Errorf("remote write: samples were dropped after %s of trying", w.o.MaxAge), old)
	}
	return batch[old:]
}

// last sends a batch and then what is queued, without second tries.
func (w *RemoteWriter) last(work context.Context, batch []pendingSample) {
	for ; ; batch = w.take() {
		if len(batch) == 0 {
			if batch = w.take(); len(batch) == 0 {
				return
			}
		}
		if _, err := w.attempt(work, batch); err != nil {
			n := w.Stats().Pending
			w.settle(len(batch), &w.stats.Dropped)
			w.mu.Lock()
			w.stats.Dropped += uint64(len(w.pending))
			w.pending = nil
			w.mu.Unlock()
			w.o.OnError(errors.New("remote write: samples were dropped because the program stops"), n)
			return
		}
	}
}

// attempt sends a batch once. No error means that it is done with, accepted or refused; else it may be tried again, after
// wait if that is not zero.
func (w *RemoteWriter) attempt(ctx context.Context, batch []pendingSample) (wait time.Duration, err error) {
	w.mu.Lock()
	w.stats.Requests++
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, w.o.Timeout)
	defer cancel()
	resp, err := w.post(ctx, snappy.Encode(nil, encodeWrite(batch)))
	if err != nil {
		err = w.client.transportError(ctx, err)
		w.o.OnError(fmt.Errorf("remote write: %w", err), 0)
		return 0, err
	}
	defer resp.Body.Close()
	head, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	code := resp.StatusCode
	if code/100 == 2 {
		w.settle(len(batch), &w.stats.Sent)
		return 0, nil
	}
	err = fmt.Errorf("remote write: %s answers %s: %s", w.client.Address(), status(code), w.client.clean(string(head)))
	if code/100 == 5 || code == http.StatusTooManyRequests {
		w.o.OnError(err, 0)
		return retryAfter(resp, w.o.now()), err
	}
	w.settle(len(batch), &w.stats.Rejected)
	w.o.OnError(err, len(batch))
	return 0, nil
}

func (w *RemoteWriter) post(ctx context.Context, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.client.base.String()+w.query, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	w.client.authorize(req)
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	return w.client.http.Do(req)
}

// retryAfter reads the header, in seconds or as a date; 0 = none.
func retryAfter(resp *http.Response, now time.Time) time.Duration {
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 86_400)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// encodeWrite writes a prometheus.WriteRequest (protobuf): timeseries = 1 {labels = 1 {name = 1, value = 2}, samples = 2
// {value = 1 (double), timestamp = 2 (int64)}}.
func encodeWrite(batch []pendingSample) []byte {
	var out, one []byte
	field := func(to []byte, tag byte, content []byte) []byte {
		to = binary.AppendUvarint(append(to, tag), uint64(len(content)))
		return append(to, content...)
	}
	var inner []byte
	for _, s := range batch {
		one = one[:0]
		for _, l := range s.Labels {
			inner = field(inner[:0], 1<<3|2, []byte(l.Name))
			inner = field(inner, 2<<3|2, []byte(l.Value))
			one = field(one, 1<<3|2, inner)
		}
		inner = binary.LittleEndian.AppendUint64(append(inner[:0], 1<<3|1), math.Float64bits(s.Value))
		inner = binary.AppendUvarint(append(inner, 2<<3), uint64(s.Time))
		one = field(one, 2<<3|2, inner)
		out = field(out, 1<<3|2, one)
	}
	return out
}
