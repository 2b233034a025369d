package plugin

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/prom/promtest"
	"github.com/foreshock/foreshock/pkg/series"
)

// TestRealServers runs the data source over Debian's Prometheus and VictoriaMetrics, and over the same samples recorded: the verdicts are
// the same, and Save & test and completion work.
func TestRealServers(t *testing.T) {
	t.Parallel()
	set := fleet(2, 5*1440)
	spike := set[0]
	for i := spike.Grid.N - 100; i < spike.Grid.N-80; i++ {
		spike.Values[i] += 80
	}
	grid := spike.Grid
	fields := map[string]any{"expr": "load", "detector": "mad", "train": "2d", "refit": "12h", "min_train": "1d", "policy": map[string]any{"horizon": "6h"}}
	from, to := time.UnixMilli(grid.At(grid.N-500)), time.UnixMilli(grid.At(grid.N-1))
	want := ask(t, over(t, &recorded{sets: map[string][]series.Series{"load": set}}, time.Now()), query(from, to, fields))
	if want.Error != nil {
		t.Fatal(want.Error)
	}
	for name, begin := range map[string]func(testing.TB) *promtest.Server{"prometheus": promtest.Start, "victoria-metrics": func(t testing.TB) *promtest.Server { return promtest.StartVictoria(t) }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := begin(t)
			srv.Write(t, set...)
			d := instance(t, srv.URL, `{}`)
			for range 2 { // from the server, then from the cache
				got := ask(t, d, query(from, to, fields))
				if got.Error != nil {
					t.Fatal(got.Error)
				}
				a, b := verdicts(t, want.Frames), verdicts(t, got.Frames)
				red := 0
				for key, times := range a {
					for at, v := range times {
						if !v.equal(b[key][at]) {
							t.Fatalf("%s at %d: recorded %+v, from the server %+v", key, at, v, b[key][at])
						}
						if !math.IsNaN(v.anomaly) {
							red++
						}
					}
				}
				if red < 15 || len(b) != 2 {
					t.Errorf("%d series, %d anomalous samples", len(b), red)
				}
			}
			if h := health(t, d); h.Status != backend.HealthStatusOk || !strings.HasPrefix(h.Message, "Connected to "+srv.URL) {
				t.Errorf("health: %v %s", h.Status, h.Message)
			}
			if status, body := call(t, d, "GET", "labels/instance/values"); status != 200 || body != `["host-000:9100","host-001:9100"]` {
				t.Errorf("label values: %d %s", status, body)
			}
			bad := ask(t, d, query(from, to, map[string]any{"expr": "sum(load"}))
			if bad.Status != 400 || bad.ErrorSource != backend.ErrorSourceDownstream {
				t.Errorf("bad PromQL: %d %s %v", bad.Status, bad.ErrorSource, bad.Error)
			}
		})
	}
}

// TestHistoryGone: a training window that retention has cut is told, and not shortened in silence.
func TestHistoryGone(t *testing.T) {
	t.Parallel()
	sets := story()
	d := over(t, &recorded{sets: sets}, goldenNow)
	first := sets["load"][0].Grid
	// The source holds nothing before the series' first sample, and says so.
	d.history = &history{ask: func(context.Context, int64) (prom.History, error) {
		return prom.History{Retention: goldenNow.Sub(time.UnixMilli(first.Start)), Sure: true}, nil
	}}
	resp := ask(t, d, query(goldenNow.Add(-20*time.Minute), goldenNow, storyQuery(map[string]any{"train": "130m", "refit": "10m", "min_train": "10m"})))
	if resp.Error != nil {
		t.Fatal(resp.Error)
	}
	found := false
	for _, n := range resp.Frames[0].Meta.Notices {
		found = found || strings.HasPrefix(n.Text, "History gone: ") && strings.Contains(n.Text, "the training window of 2h10m")
	}
	if !found {
		t.Errorf("notices %+v", resp.Frames[0].Meta.Notices)
	}
}

// TestHistoryMayBeCut: a server that does not tell how far back it keeps samples, and whose series begin together, may have deleted some.
func TestHistoryMayBeCut(t *testing.T) {
	t.Parallel()
	set := fleet(3, 3*1440)
	now := time.UnixMilli(set[0].Grid.At(set[0].Grid.N - 1))
	for known, want := range map[prom.History]bool{{}: true, {Retention: 30 * 24 * time.Hour}: true, {Retention: 30 * 24 * time.Hour, Sure: true}: false} {
		d := over(t, &recorded{sets: map[string][]series.Series{"load": set}}, now)
		d.history = &history{ask: func(context.Context, int64) (prom.History, error) { return known, nil }}
		resp := ask(t, d, query(now.Add(-time.Hour), now, map[string]any{"expr": "load", "detector": "mad"}))
		if resp.Error != nil {
			t.Fatal(resp.Error)
		}
		found := false
		for _, n := range resp.Frames[0].Meta.Notices {
			found = found || strings.Contains(n.Text, "Most series begin at "+time.UnixMilli(set[0].Grid.Start).UTC().Format("2006-01-02 15:04")+".")
		}
		if found != want {
			t.Errorf("%+v: notices %+v", known, resp.Frames[0].Meta.Notices)
		}
	}
}

func TestHistoryIsAskedSeldom(t *testing.T) {
	t.Parallel()
	asked := 0
	h := &history{ask: func(context.Context, int64) (prom.History, error) {
		asked++
		if asked == 1 || asked == 4 {
			return prom.History{}, context.DeadlineExceeded
		}
		return prom.History{Retention: time.Hour}, nil
	}}
	now := goldenNow
	for _, step := range []struct {
		after time.Duration
		asked int
		start int64
	}{{0, 1, 0}, {30 * time.Second, 1, 0}, {31 * time.Second, 2, -1}, {9 * time.Minute, 2, -1}, {2 * time.Minute, 3, -1}, {11 * time.Minute, 4, -1}} {
		now = now.Add(step.after)
		want := step.start
		if want < 0 {
			want = now.Add(-time.Hour).UnixMilli()
		}
		if got := h.get(context.Background(), now).Start(now.UnixMilli()); got != want || asked != step.asked {
			t.Errorf("at %s: start %d, want %d; asked %d times, want %d", now, got, want, asked, step.asked)
		}
	}
}

// TestSettle: what may still change is not judged.
func TestSettle(t *testing.T) {
	t.Parallel()
	d := over(t, &recorded{sets: story()}, goldenNow)
	d.settings.Settle = 5 * 60e9
	resp := ask(t, d, query(goldenNow.Add(-20*time.Minute), goldenNow, storyQuery(nil)))
	if resp.Error != nil {
		t.Fatal(resp.Error)
	}
	times := field(t, resp.Frames[0], "time")
	last := times.At(times.Len() - 1).(time.Time)
	if want := goldenNow.Add(-5 * time.Minute).Truncate(time.Minute); !last.Equal(want) {
		t.Errorf("the last verdict is of %s, want %s", last, want)
	}
}

// TestLongRange: a range of many points is thinned for display, and each anomalous sample is in it.
func TestLongRange(t *testing.T) {
	t.Parallel()
	set := fleet(1, 30*1440)
	s := set[0]
	for i := 1440; i < s.Grid.N; i += 2500 {
		for k := range 5 {
			s.Values[i+k] += 200
		}
	}
	d := over(t, &recorded{sets: map[string][]series.Series{"load": set}}, time.Now())
	ask := func(from, to int64) map[int64]verdict {
		resp := ask(t, d, query(time.UnixMilli(from), time.UnixMilli(to), map[string]any{"expr": "load", "detector": "mad", "train": "1d", "min_train": "1d"}))
		if resp.Error != nil {
			t.Fatal(resp.Error)
		}
		return verdicts(t, resp.Frames)[data.Labels(s.Labels.Map()).String()]
	}
	all := ask(s.Grid.Start, s.Grid.End())
	if len(all) > thinAbove || len(all) < 1000 {
		t.Errorf("%d of %d points are left", len(all), s.Grid.N)
	}
	red := 0
	for from := s.Grid.Start; from < s.Grid.End(); from += 10_000 * minute {
		for at, v := range ask(from, from+10_000*minute-1) {
			shown, ok := all[at]
			if !math.IsNaN(v.anomaly) {
				red++
				if !ok {
					t.Fatalf("the anomalous sample at %d is hidden", at)
				}
			}
			if ok && !shown.equal(v) {
				t.Fatalf("at %d: %+v in the long range, %+v in the short one", at, shown, v)
			}
		}
	}
	if red < 50 {
		t.Errorf("%d anomalous samples: the test would prove nothing", red)
	}
}
