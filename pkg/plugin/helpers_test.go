package plugin

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

var update = flag.Bool("update", false, "write the golden files anew")

func init() {
	detect.Detectors.Add(registry.Entry[detect.Detector]{Name: "test_level", New: func() detect.Detector { return &testLevel{Width: 10} }})
}

// testLevel is a detector so simple that its numbers can be told by hand: the mean of the training window, and a band of fixed width.
// Golden files use it, so that they pin the frames and not the detectors.
type testLevel struct {
	Width float64 `json:"width" min:"0.1" max:"1000" help:"Half the width of the band."`
}

const testPanic = 666 // a width at which testLevel panics

var testFits atomic.Int64 // how often testLevel was fitted, over all tests

func (*testLevel) Validate() error       { return nil }
func (*testLevel) Catches() detect.Kinds { return detect.Spike }

func (l *testLevel) Fit(train detect.Train) (detect.Model, error) {
	testFits.Add(1)
	sum, n := 0.0, 0
	for _, v := range train.Series.Values {
		if v == v {
			sum += v
			n++
		}
	}
	if n == 0 {
		return nil, detect.ErrTooShort
	}
	if l.Width == testPanic {
		panic("the detector has a fault with secret-in-panic")
	}
	return testModel{mean: sum / float64(n), width: l.Width}, nil
}

type testModel struct{ mean, width float64 }

func (m testModel) MarshalBinary() ([]byte, error) { return json.Marshal([]float64{m.mean, m.width}) }

func (m testModel) Score(window series.Series, warmup int) (detect.Result, error) {
	r := detect.NewResult(window.Grid.N - warmup)
	for i, v := range window.Values[warmup:] {
		if v != v {
			r.Score[i], r.Expected[i], r.Lower[i], r.Upper[i], r.State[i] = math.NaN(), math.NaN(), math.NaN(), math.NaN(), detect.Gap
			continue
		}
		r.Expected[i], r.Lower[i], r.Upper[i] = m.mean, m.mean-m.width, m.mean+m.width
		r.Score[i] = math.Abs(v-m.mean) / m.width
	}
	return r, nil
}

// recorded answers from series that it holds, by expression; it is the Source of tests.
type recorded struct {
	sets     map[string][]series.Series
	warnings []string
	notices  []prom.Notice
	err      error
	asked    atomic.Int64
	gridSeen atomic.Pointer[series.Grid]
}

func (r *recorded) Range(ctx context.Context, expr string, grid series.Grid) (prom.Answer, error) {
	r.asked.Add(1)
	r.gridSeen.Store(&grid)
	if r.err != nil {
		return prom.Answer{}, r.err
	}
	set := series.Set{Grid: grid}
	for _, s := range r.sets[expr] {
		if m := exact(s, grid); m.Present() > 0 {
			set.Members = append(set.Members, m)
		}
	}
	slices.SortFunc(set.Members, func(a, b series.Series) int { return a.Labels.Compare(b.Labels) })
	return prom.Answer{Set: set, Warnings: r.warnings, Notices: r.notices}, ctx.Err()
}

// exact returns the series on a grid of the same step; what is missing stays missing.
func exact(s series.Series, grid series.Grid) series.Series {
	out := series.New(s.Labels, grid)
	for i := range grid.N {
		if k, ok := s.Grid.Index(grid.At(i)); ok {
			out.Values[i] = s.Values[k]
		}
	}
	return out
}

// lookback is how old a sample may be to stand for a time, as in Prometheus.
const lookback = 5 * 60_000

// sampled returns the series on a grid, as Prometheus does: at each time the newest sample that is not too old.
func sampled(s series.Series, grid series.Grid) series.Series {
	out := series.New(s.Labels, grid)
	for i := range grid.N {
		t := grid.At(i)
		// The newest stored sample at or before t; a missing one is passed over while the lookback lasts.
		at := int(min(series.Floor(t-s.Grid.Start, s.Grid.Step)/s.Grid.Step, int64(s.Grid.N-1)))
		for ; at >= 0 && t-s.Grid.At(at) < lookback; at-- {
			if v := s.Values[at]; v == v {
				out.Values[i] = v
				break
			}
		}
	}
	return out
}

// nab reads a file of the Numenta Anomaly Benchmark: five minutes apart, put on that grid.
func nab(t testing.TB, name string) series.Series {
	t.Helper()
	f, err := os.Open("testdata/nab/" + name + ".csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const step = 300_000
	at := func(i int) int64 {
		sec, err := strconv.ParseFloat(rows[i][0], 64)
		if err != nil {
			t.Fatal(err)
		}
		return series.Floor(int64(sec*1000), step)
	}
	s := series.New(series.FromMap(map[string]string{"__name__": "nab", "file": name}), series.GridOver(at(1), at(len(rows)-1), step))
	for i := 1; i < len(rows); i++ {
		v, err := strconv.ParseFloat(rows[i][1], 64)
		k, ok := s.Grid.Index(at(i))
		if err != nil || !ok {
			t.Fatalf("%s row %d: %v", name, i, err)
		}
		s.Values[k] = v
	}
	return s
}

// server is a scripted Prometheus: it serves real samples on the grid that it is asked for.
type server struct {
	*httptest.Server
	sets      map[string][]series.Series
	retention string
	requests  atomic.Int64
	busy      atomic.Int64 // nanoseconds spent answering
}

func newServer(t testing.TB, sets map[string][]series.Series) *server {
	t.Helper()
	s := &server{sets: sets, retention: "100y"}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/query_range", s.queryRange)
	mux.HandleFunc("/api/v1/status/runtimeinfo", func(w http.ResponseWriter, _ *http.Request) {
		s.ok(w, map[string]string{"storageRetention": s.retention})
	})
	mux.HandleFunc("/api/v1/status/buildinfo", func(w http.ResponseWriter, _ *http.Request) { s.ok(w, map[string]string{"version": "2.42.0"}) })
	mux.HandleFunc("/api/v1/labels", func(w http.ResponseWriter, _ *http.Request) { s.ok(w, []string{"__name__", "file"}) })
	mux.HandleFunc("/api/v1/label/{name}/values", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("match[]") == "up" {
			s.ok(w, []string{"a"})
			return
		}
		s.ok(w, map[string][]string{"__name__": {"nab", "nab_bucket", "up"}, "file": {"b", "a"}}[r.PathValue("name")])
	})
	mux.HandleFunc("/api/v1/metadata", func(w http.ResponseWriter, _ *http.Request) {
		s.ok(w, map[string]any{"nab": []map[string]string{{"type": "histogram", "help": "Numenta."}}})
	})
	mux.HandleFunc("/api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		s.ok(w, map[string]any{"resultType": "vector", "result": []any{map[string]any{"metric": map[string]string{}, "value": []any{1.5, "7"}}}})
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ok(w http.ResponseWriter, data any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": data})
}

func (s *server) queryRange(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	defer func() { s.busy.Add(int64(time.Since(began))) }()
	s.requests.Add(1)
	ms := func(name string) int64 {
		f, err := strconv.ParseFloat(r.FormValue(name), 64)
		if err != nil {
			panic(fmt.Sprintf("%s=%q", name, r.FormValue(name)))
		}
		return int64(math.Round(f * 1000))
	}
	start, end, step := ms("start"), ms("end"), ms("step")
	set, ok := s.sets[r.FormValue("query")]
	w.Header().Set("Content-Type", "application/json")
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"status":"error","errorType":"bad_data","error":"unknown expression"}`)
		return
	}
	_, _ = w.Write(matrix(set, series.Grid{Start: start, Step: step, N: int((end-start)/step) + 1}))
}

// matrix writes a Prometheus answer.
func matrix(set []series.Series, grid series.Grid) []byte {
	b := []byte(`{"status":"success","data":{"resultType":"matrix","result":[`)
	first := true
	for _, s := range set {
		m := s
		if s.Grid != grid {
			m = sampled(s, grid)
		}
		if m.Present() == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		labels, _ := json.Marshal(m.Labels.Map())
		b = append(append(append(b, `{"metric":`...), labels...), `,"values":[`...)
		sep := false
		for i, v := range m.Values {
			if v != v {
				continue
			}
			if sep {
				b = append(b, ',')
			}
			sep = true
			b = append(b, '[')
			b = strconv.AppendFloat(b, float64(grid.At(i))/1000, 'f', -1, 64)
			b = append(b, `,"`...)
			b = strconv.AppendFloat(b, v, 'f', -1, 64)
			b = append(b, `"]`...)
		}
		b = append(b, `]}`...)
	}
	return append(b, `]}}`...)
}

// instance returns a data source for that address, and the JSON settings.
func instance(t testing.TB, url, jsonData string) *Datasource {
	t.Helper()
	i, err := NewDatasource(context.Background(), backend.DataSourceInstanceSettings{UID: "foreshock", Type: "foreshock-anomaly-datasource", URL: url, JSONData: []byte(jsonData)})
	if err != nil {
		t.Fatal(err)
	}
	d := i.(*Datasource)
	t.Cleanup(d.Dispose)
	return d
}

// over returns a data source that reads from a recorded source, its clock standing still.
func over(t testing.TB, src Source, now time.Time) *Datasource {
	t.Helper()
	d := instance(t, "http://127.0.0.1:1", `{}`)
	d.source, d.history, d.now = src, nil, func() time.Time { return now }
	return d
}

// ask runs one query and returns its answer.
func ask(t testing.TB, d *Datasource, q backend.DataQuery) backend.DataResponse {
	t.Helper()
	if q.RefID == "" {
		q.RefID = "A"
	}
	resp, err := d.QueryData(context.Background(), &backend.QueryDataRequest{Queries: []backend.DataQuery{q}})
	if err != nil {
		t.Fatal(err)
	}
	return resp.Responses[q.RefID]
}

// query makes a query of fields as JSON.
func query(from, to time.Time, fields map[string]any) backend.DataQuery {
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return backend.DataQuery{RefID: "A", JSON: raw, TimeRange: backend.TimeRange{From: from, To: to}, MaxDataPoints: 1000, Interval: time.Second}
}

// field returns a field of a frame by name.
func field(t testing.TB, f *data.Frame, name string) *data.Field {
	t.Helper()
	field, i := f.FieldByName(name)
	if i < 0 {
		t.Fatalf("frame %q has no field %q", f.Name, name)
	}
	return field
}
