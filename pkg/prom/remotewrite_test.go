package prom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock/pkg/series"
)

// What the writer sends is what the official message type reads.
func TestEncodeWrite(t *testing.T) {
	t.Parallel()
	batch := []pendingSample{
		{Sample: Sample{Labels: series.FromMap(map[string]string{"__name__": "a", "z": "ü"}), Time: base + 1, Value: -1.5}},
		{Sample: Sample{Time: -1, Value: math.Inf(1)}},
		{Sample: Sample{Labels: series.FromMap(map[string]string{"l": strings.Repeat("x", 300)}), Value: StaleMarker()}},
	}
	var got prompb.WriteRequest
	data := encodeWrite(batch)
	if err := got.Unmarshal(data); err != nil {
		t.Fatal(err)
	}
	if len(got.Timeseries) != 3 || got.Timeseries[0].Labels[1].Value != "ü" || got.Timeseries[0].Samples[0].Timestamp != base+1 ||
		got.Timeseries[1].Samples[0].Timestamp != -1 || !math.IsInf(got.Timeseries[1].Samples[0].Value, 1) || len(got.Timeseries[2].Labels[0].Value) != 300 {
		t.Errorf("got %+v", got)
	}
	if bits := math.Float64bits(got.Timeseries[2].Samples[0].Value); bits != 0x7ff0000000000002 {
		t.Errorf("stale marker: %x", bits)
	}
}

// receiver answers remote writes in process, so that time can be virtual.
type receiver struct {
	mu       sync.Mutex
	answers  []func() (*http.Response, error) // of the first requests; then 204
	at       []time.Duration
	began    time.Time
	received []float64
}

func answerWith(code int, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		r := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("no, secret-password"))}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r, nil
	}
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = append(r.at, time.Since(r.began))
	if len(r.answers) > 0 {
		next := r.answers[0]
		r.answers = r.answers[1:]
		return next()
	}
	body, _ := io.ReadAll(req.Body)
	data, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, err
	}
	var m prompb.WriteRequest
	if err := m.Unmarshal(data); err != nil {
		return nil, err
	}
	for _, ts := range m.Timeseries {
		r.received = append(r.received, ts.Samples[0].Value)
	}
	return answerWith(204)()
}

// writeTo runs a writer against r in virtual time and returns it with what OnError was told.
func writeTo(t *testing.T, r *receiver, o RemoteOptions, drive func(w *RemoteWriter)) (RemoteStats, []string) {
	t.Helper()
	var stats RemoteStats
	var said []string
	synctest.Test(t, func(t *testing.T) {
		r.began = time.Now()
		o.URL, o.HTTP = "http://u:secret-password@receiver/api/v1/write", &http.Client{Transport: r}
		var mu sync.Mutex
		o.OnError = func(err error, n int) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, fmt.Sprintf("%v (%d)", err, n))
			if strings.Contains(err.Error(), "secret-password") {
				t.Errorf("a secret in %q", err)
			}
		}
		w, err := NewRemoteWriter(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		drive(w)
		cancel()
		<-done
		stats = w.Stats()
	})
	return stats, said
}

func number(v float64) Sample { return Sample{Labels: named(int(v)), Time: base, Value: v} }

func TestRemoteWriteRetries(t *testing.T) {
	t.Parallel()
	r := &receiver{answers: []func() (*http.Response, error){
		answerWith(503, "Retry-After", "7"), answerWith(429, "Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"), answerWith(500),
		func() (*http.Response, error) { return nil, errors.New("connection refused") },
	}}
	stats, said := writeTo(t, r, RemoteOptions{MinBackoff: time.Second}, func(w *RemoteWriter) {
		w.Offer(number(1), number(2))
		time.Sleep(2 * time.Minute)
	})
	if !cmp.Equal(r.received, []float64{1, 2}) || stats != (RemoteStats{Sent: 2, Requests: 5, Retries: 4}) || len(said) != 4 {
		t.Errorf("received %v, %+v, said %q", r.received, stats, said)
	}
	if r.at[1] != 7*time.Second {
		t.Errorf("Retry-After was not kept: %v", r.at)
	}
	for i, bounds := range [][2]time.Duration{{1, 3}, {2, 6}, {4, 12}} { // second wait of the doubling: 2 s ± half, then 4, 8
		if wait := r.at[i+2] - r.at[i+1]; wait < bounds[0]*time.Second || wait > bounds[1]*time.Second {
			t.Errorf("wait %d was %v, want %v s", i+1, wait, bounds)
		}
	}
}

func TestRemoteWriteRefused(t *testing.T) {
	t.Parallel()
	r := &receiver{answers: []func() (*http.Response, error){answerWith(400)}}
	stats, said := writeTo(t, r, RemoteOptions{MaxBatch: 2}, func(w *RemoteWriter) {
		w.Offer(number(1), number(2), number(3))
		synctest.Wait()
	})
	if !cmp.Equal(r.received, []float64{3}) || stats != (RemoteStats{Sent: 1, Rejected: 2, Requests: 2}) || len(said) != 1 || !strings.Contains(said[0], "400 Bad Request: no, <secret> (2)") {
		t.Errorf("received %v, %+v, said %q", r.received, stats, said)
	}
}

// While the receiver is down, Offer does not block, memory is bounded, the youngest samples survive, and none is tried for ever.
func TestRemoteWriteOverflow(t *testing.T) {
	t.Parallel()
	down := make([]func() (*http.Response, error), 1000)
	for i := range down {
		down[i] = answerWith(503)
	}
	r := &receiver{answers: down}
	stats, said := writeTo(t, r, RemoteOptions{MaxPending: 5, MaxBatch: 2, MaxAge: time.Minute, MaxBackoff: 2 * time.Second}, func(w *RemoteWriter) {
		w.Offer(number(1), number(2))
		time.Sleep(time.Millisecond) // these two are on their way
		dropped := 0
		for i := range 10 {
			dropped += w.Offer(number(float64(10 + i)))
		}
		if dropped != 5 || w.Stats().Pending != 7 {
			t.Errorf("dropped %d, %+v", dropped, w.Stats())
		}
		time.Sleep(50 * time.Second)
		r.mu.Lock()
		r.answers = nil
		r.mu.Unlock()
		time.Sleep(2 * time.Minute)
	})
	if want := []float64{1, 2, 15, 16, 17, 18, 19}; !cmp.Equal(r.received, want) && !cmp.Equal(r.received, want[2:]) {
		t.Errorf("received %v, %+v, said %q", r.received, stats, said)
	}
	if stats.Sent+stats.Dropped != 12 || stats.Pending != 0 {
		t.Errorf("%+v", stats)
	}

	r = &receiver{answers: down}
	stats, said = writeTo(t, r, RemoteOptions{MaxAge: time.Minute}, func(w *RemoteWriter) {
		w.Offer(number(1))
		time.Sleep(10 * time.Minute)
	})
	if stats.Dropped != 1 || stats.Sent != 0 || !strings.Contains(said[len(said)-1], "dropped after 1m0s of trying (1)") {
		t.Errorf("%+v, said %q", stats, said)
	}
}

func TestRemoteWriteStops(t *testing.T) {
	t.Parallel()
	down := []func() (*http.Response, error){answerWith(503), answerWith(503), answerWith(503)}
	r := &receiver{answers: down}
	stats, said := writeTo(t, r, RemoteOptions{MaxBatch: 1}, func(w *RemoteWriter) {
		w.Offer(number(1), number(2), number(3))
		synctest.Wait()
	})
	if stats.Dropped != 3 || stats.Pending != 0 || stats.Requests != 2 || !strings.Contains(said[len(said)-1], "the program stops (3)") {
		t.Errorf("%+v, said %q", stats, said)
	}
}

func TestRemoteWriteOptions(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "prometheus:9090", "http://u:secret-password@host"} {
		if _, err := NewRemoteWriter(RemoteOptions{URL: url}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}
