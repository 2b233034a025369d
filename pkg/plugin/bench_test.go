package plugin

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/message"
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
// long the query waited for the server, its answers decoded as they came, and how long all else took.
func measured(b *testing.B, address, detector string, warm bool) {
	quiet(b)
	req := benchQuery(detector, fleet(1, benchPast+benchPoints))
	run := func(d *Datasource) (fetch time.Duration) {
		resp, err := d.QueryData(context.Background(), req)
		if err != nil || resp.Responses["A"].Error != nil {
			b.Fatal(err, resp.Responses["A"].Error)
		}
		frames := resp.Responses["A"].Frames
		if n := len(frames); n != benchSeries {
			b.Fatalf("%d frames", n)
		}
		if rows := frames[0].Rows(); rows != benchPoints {
			b.Fatalf("%d rows", rows)
		}
		if _, err := backend.ToProto().QueryDataResponse(backend.DataFrameFormat_ARROW, resp); err != nil {
			b.Fatal(err)
		}
		return asking(b, frames)
	}
	d := instance(b, address, `{}`)
	if warm {
		run(d)
	}
	var fetch time.Duration
	b.ResetTimer()
	for b.Loop() {
		if !warm {
			d = instance(b, address, `{}`)
		}
		fetch += run(d)
	}
	total := b.Elapsed() / time.Duration(b.N)
	fetch /= time.Duration(b.N)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(fetch), "fetch-ms/op")
	b.ReportMetric(ms(total-fetch), "ours-ms/op")
	b.ReportMetric(float64(benchSeries*benchPoints)/total.Seconds(), "verdicts/s")
}

// asking is what the query says of the time in which it waited for the server: requests at the same time count once.
func asking(b *testing.B, frames data.Frames) time.Duration {
	b.Helper()
	name := message.Text("en", "plugin.stat.asking")
	for _, s := range frames[0].Meta.Stats {
		if s.DisplayName == name {
			return time.Duration(s.Value * float64(time.Millisecond))
		}
	}
	b.Fatalf("no statistic %q", name)
	return 0
}

// quiet silences the log of Grafana's SDK for a benchmark, which tells every request in lines between the figures.
func quiet(b *testing.B) {
	was := log.DefaultLogger
	log.DefaultLogger, backend.Logger = log.NewNullLogger(), log.NewNullLogger()
	b.Cleanup(func() { log.DefaultLogger, backend.Logger = was, was })
}

// BenchmarkQueryScripted asks a server that has its answers ready.
func BenchmarkQueryScripted(b *testing.B) {
	srv := newServer(b, map[string][]series.Series{"load": fleet(benchSeries, benchPast+benchPoints)})
	for _, detector := range []string{"seasonal", "mad"} {
		b.Run(detector+"/cold", func(b *testing.B) { measured(b, srv.URL, detector, false) })
		b.Run(detector+"/warm", func(b *testing.B) { measured(b, srv.URL, detector, true) })
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
		b.Run(detector+"/cold", func(b *testing.B) { measured(b, srv.URL, detector, false) })
		b.Run(detector+"/warm", func(b *testing.B) { measured(b, srv.URL, detector, true) })
	}
}

// twoWeeks is what a panel of two weeks at one sample a minute shows, drawn panelPoints pixels wide.
const (
	twoWeeks    = 14 * 1440
	panelPoints = 1500
)

// BenchmarkPanelAuto is a panel of 100 series over two weeks, from the query to frames in Arrow, by the default detector: the first query, and one that is asked again. The time is
// that of the processor, in which a server that has its answers ready is contained.
func BenchmarkPanelAuto(b *testing.B) {
	quiet(b)
	all := fleet(benchSeries, benchPast+twoWeeks)
	srv := newServer(b, map[string][]series.Series{"load": all})
	grid := all[0].Grid
	q := query(time.UnixMilli(grid.At(grid.N-twoWeeks)), time.UnixMilli(grid.At(grid.N-1)), map[string]any{"expr": "load", "detector": "auto"})
	q.MaxDataPoints = panelPoints
	req := &backend.QueryDataRequest{Queries: []backend.DataQuery{q}}
	rows := 0
	ask := func(d *Datasource) {
		resp, err := d.QueryData(context.Background(), req)
		if err != nil || resp.Responses["A"].Error != nil {
			b.Fatal(err, resp.Responses["A"].Error)
		}
		if _, err := backend.ToProto().QueryDataResponse(backend.DataFrameFormat_ARROW, resp); err != nil {
			b.Fatal(err)
		}
		frames := resp.Responses["A"].Frames
		if len(frames) != benchSeries {
			b.Fatalf("%d frames", len(frames))
		}
		rows = frames[0].Rows()
	}
	d := instance(b, srv.URL, `{}`)
	measure := func(b *testing.B, prepared func()) {
		spent := time.Duration(0)
		for b.Loop() {
			prepared()
			from := processorTime(b)
			ask(d)
			spent += processorTime(b) - from
		}
		b.ReportMetric(float64(spent.Milliseconds())/float64(b.N), "cpu-ms/op")
		b.ReportMetric(float64(rows), "rows/series")
	}
	b.Run("first", func(b *testing.B) { measure(b, func() { d = instance(b, srv.URL, `{}`) }) })
	b.Run("later", func(b *testing.B) { measure(b, func() {}) })
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
