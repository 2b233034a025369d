package plugin

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/foreshock/foreshock/pkg/prom/promtest"
	"github.com/foreshock/foreshock/pkg/series"
)

// The measured query: 11,000 points of 100 series at one a minute, and the training window before them.
const (
	benchSeries = 100
	benchPoints = 11_000
	benchPast   = 9*1440 + 10 // train, refit and horizon at their defaults
)

// fleet makes series with a daily shape and noise, ending at a fixed time.
func fleet(n, points int) []series.Series {
	end := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	grid := series.GridOver(end-int64(points-1)*minute, end, minute)
	out := make([]series.Series, n)
	for k := range out {
		rng := rand.New(rand.NewPCG(1, uint64(k)))
		s := series.New(series.FromMap(map[string]string{"__name__": "load", "instance": fmt.Sprintf("host-%03d:9100", k), "job": "node"}), grid)
		for i := range s.Values {
			s.Values[i] = math.Round(1000*(100+30*math.Sin(2*math.Pi*float64(i%1440)/1440)+3*rng.NormFloat64())) / 1000
		}
		out[k] = s
	}
	return out
}

func benchQuery(detector string, set []series.Series) *backend.QueryDataRequest {
	grid := set[0].Grid
	from := time.UnixMilli(grid.At(grid.N - benchPoints))
	return &backend.QueryDataRequest{Queries: []backend.DataQuery{query(from, time.UnixMilli(grid.At(grid.N-1)), map[string]any{"expr": "load", "detector": detector})}}
}

// measured answers a query on a fresh instance (nothing cached) or a warm one, encodes the frames as they go to Grafana, and reports how
// long the server needed and how long we did. The server's time is what its answers to the same requests take when nothing is done with
// them but to read them.
func measured(b *testing.B, address, detector string, warm bool, server func() time.Duration) {
	set := fleet(1, benchPast+benchPoints)
	req := benchQuery(detector, set)
	run := func(d *Datasource) {
		resp, err := d.QueryData(context.Background(), req)
		if err != nil || resp.Responses["A"].Error != nil {
			b.Fatal(err, resp.Responses["A"].Error)
		}
		if n := len(resp.Responses["A"].Frames); n != benchSeries {
			b.Fatalf("%d frames", n)
		}
		if rows := resp.Responses["A"].Frames[0].Rows(); rows != benchPoints {
			b.Fatalf("%d rows", rows)
		}
		if _, err := backend.ToProto().QueryDataResponse(backend.DataFrameFormat_ARROW, resp); err != nil {
			b.Fatal(err)
		}
	}
	d := instance(b, address, `{}`)
	if warm {
		run(d)
	}
	answering := server()
	b.ResetTimer()
	for b.Loop() {
		if !warm {
			d = instance(b, address, `{}`)
		}
		run(d)
	}
	total := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(answering.Microseconds())/1000, "server-ms/op")
	b.ReportMetric(float64((total-answering).Microseconds())/1000, "ours-ms/op")
	b.ReportMetric(float64(benchSeries*benchPoints)/total.Seconds(), "verdicts/s")
}

// replay records the requests that a query makes, and returns a function that makes them again and throws the answers away.
func replay(b *testing.B, address, detector string) func() time.Duration {
	target, err := url.Parse(address)
	if err != nil {
		b.Fatal(err)
	}
	var asked []string
	var open atomic.Bool
	open.Store(true)
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if open.Load() && r.URL.Path == "/api/v1/query_range" {
			asked = append(asked, r.URL.RawQuery)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	d := instance(b, front.URL, `{"httpMethod":"GET"}`)
	if _, err := d.QueryData(context.Background(), benchQuery(detector, fleet(1, benchPast+benchPoints))); err != nil {
		b.Fatal(err)
	}
	open.Store(false)
	return func() time.Duration {
		best := time.Duration(math.MaxInt64)
		for range 3 {
			began := time.Now()
			for _, q := range asked {
				resp, err := http.Get(address + "/api/v1/query_range?" + q)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
			best = min(best, time.Since(began))
		}
		return best
	}
}

func nothing() time.Duration { return 0 }

// BenchmarkQueryScripted asks a server that has its answers ready.
func BenchmarkQueryScripted(b *testing.B) {
	srv := newServer(b, map[string][]series.Series{"load": fleet(benchSeries, benchPast+benchPoints)})
	for _, detector := range []string{"seasonal", "mad"} {
		again := replay(b, srv.URL, detector)
		b.Run(detector+"/cold", func(b *testing.B) { measured(b, srv.URL, detector, false, again) })
		b.Run(detector+"/warm", func(b *testing.B) { measured(b, srv.URL, detector, true, nothing) })
	}
}

// BenchmarkQueryPrometheus asks Debian's Prometheus.
func BenchmarkQueryPrometheus(b *testing.B) {
	if _, err := exec.LookPath("prometheus"); err != nil {
		b.Skip("prometheus is not installed")
	}
	srv := promtest.Start(b)
	srv.Write(b, fleet(benchSeries, benchPast+benchPoints)...)
	for _, detector := range []string{"seasonal", "mad"} {
		again := replay(b, srv.URL, detector)
		b.Run(detector+"/cold", func(b *testing.B) { measured(b, srv.URL, detector, false, again) })
		b.Run(detector+"/warm", func(b *testing.B) { measured(b, srv.URL, detector, true, nothing) })
	}
}
