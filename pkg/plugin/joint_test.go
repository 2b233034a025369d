package plugin

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/series"
)

// shops is two applications with requests and a load that follows them; the load of the first comes apart a quarter of an hour before the end. Twenty minutes in two hours are an incident.
func shops() map[string][]series.Series {
	end := series.Floor(goldenNow.UnixMilli(), minute)
	grid := series.GridOver(end-2000*minute, end, minute)
	out := map[string][]series.Series{}
	rng := rand.New(rand.NewPCG(3, 1))
	for _, app := range []string{"a", "b"} {
		of := func(name string) series.Series {
			return series.New(series.FromMap(map[string]string{"__name__": name, "application": app}), grid)
		}
		requests, load, ok := of("requests"), of("load"), of("ok")
		for i := range grid.N {
			x := math.Sin(float64(i)/100) + 2
			requests.Values[i], load.Values[i], ok.Values[i] = 100*x+rng.NormFloat64(), x+0.01*rng.NormFloat64(), 1
			ago := grid.N - 1 - i
			if i/20%6 == 0 && ago > 120 {
				load.Values[i], ok.Values[i] = 9, math.NaN()
			}
			if app == "a" && ago < 15 && ago >= 5 {
				load.Values[i] -= 0.8
			}
		}
		out["requests"], out["load"], out["ok"] = append(out["requests"], requests), append(out["load"], load), append(out["ok"], ok)
	}
	return out
}

func jointFields(more map[string]any) map[string]any {
	q := map[string]any{
		"refId": "A", "kind": "joint", "dimensions": map[string]string{"requests": "requests", "load": "load"}, "detector": "mahalanobis", "clean": "ok",
		"legend": "{{application}}", "step": "1m", "train": "1d", "refit": "1h", "min_train": "2h", "policy": map[string]any{"horizon": "1h"},
	}
	for k, v := range more {
		q[k] = v
	}
	return q
}

func TestJointQuery(t *testing.T) {
	t.Parallel()
	src := &recorded{sets: shops()}
	resp := ask(t, over(t, src, goldenNow), query(goldenNow.Add(-20*time.Minute), goldenNow, jointFields(nil)))
	if resp.Error != nil {
		t.Fatal(resp.Error)
	}
	if len(resp.Frames) != 2 || src.asked.Load() != 3 {
		t.Fatalf("%d frames after %d questions", len(resp.Frames), src.asked.Load())
	}
	f := resp.Frames[0]
	score, anomaly := field(t, f, "score"), field(t, f, "anomaly")
	high := 0
	for i := range score.Len() {
		x, sum := score.At(i).(*float64), 0.0
		for _, c := range f.Fields {
			if y, ok := c.At(i).(*float64); ok && c.Name == "contribution" && y != nil {
				sum += *y
			}
		}
		if x == nil || math.Abs(*x-sum) > 1e-9*(1+*x) {
			t.Fatalf("sample %d: score %v, contributions sum to %v", i, x, sum)
		}
		if anomaly.At(i).(*float64) != nil {
			high++
		}
	}
	// Grafana gives fields an axis each that differ in their least or greatest value, in unit or in soft limits: these belong on one.
	for _, x := range f.Fields {
		if x.Name == "score" || x.Name == "anomaly" || x.Name == "contribution" {
			if x.Config.Min != nil || x.Config.Max != nil || x.Config.Unit != "" || x.Config.Custom["axisSoftMin"] != 0 {
				t.Errorf("%s %v is drawn on a scale of its own: %+v", x.Name, x.Labels, x.Config)
			}
		}
	}
	if high < 5 || !strings.Contains(f.Meta.ExecutedQueryString, "# learns where: ok") {
		t.Errorf("%d anomalous samples; executed:\n%s", high, f.Meta.ExecutedQueryString)
	}
	if n := f.Fields[len(f.Fields)-1]; n.Name != "value" || n.Labels["dimension"] != "requests" || n.Labels["application"] != "a" {
		t.Errorf("the last field is %s %v", n.Name, n.Labels)
	}
	table := ask(t, over(t, src, goldenNow), query(goldenNow.Add(-20*time.Minute), goldenNow, jointFields(map[string]any{"output": "intervals"})))
	if table.Error != nil || table.Frames[0].Rows() != 1 {
		t.Fatalf("intervals: %v, %d rows", table.Error, table.Frames[0].Rows())
	}
	reason, kind := field(t, table.Frames[0], "reason").At(0).(string), field(t, table.Frames[0], "direction").At(0).(string)
	if !strings.HasPrefix(reason, "The correlation broke") || kind != "correlation broke" || field(t, table.Frames[0], "contributions").At(0) == "" {
		t.Errorf("reason %q, kind %q", reason, kind)
	}
	// Without the filter the incidents are learnt, and the same is usual.
	all := ask(t, over(t, src, goldenNow), query(goldenNow.Add(-20*time.Minute), goldenNow, jointFields(map[string]any{"output": "intervals", "clean": ""})))
	if all.Error != nil || all.Frames[0].Rows() != 0 {
		t.Errorf("without the filter: %v, %d rows", all.Error, all.Frames[0].Rows())
	}
	// The dimensions of one expression.
	sets := shops()
	sets["all"] = append(sets["requests"], sets["load"]...)
	fields := jointFields(map[string]any{"expr": "all", "group_by": []string{"application"}, "clean": "", "output": "latest"})
	delete(fields, "dimensions")
	latest := ask(t, over(t, &recorded{sets: sets}, goldenNow), query(goldenNow.Add(-time.Minute), goldenNow, fields))
	if latest.Error != nil || len(latest.Frames) != 2 || field(t, latest.Frames[0], "score").Labels["application"] != "a" {
		t.Errorf("latest: %v, %d frames", latest.Error, len(latest.Frames))
	}
}

func TestPeersQuery(t *testing.T) {
	t.Parallel()
	end := series.Floor(goldenNow.UnixMilli(), minute)
	grid := series.GridOver(end-2000*minute, end, minute)
	rng := rand.New(rand.NewPCG(2, 1))
	var members []series.Series
	for _, job := range []string{"a", "b"} {
		for k := range 4 {
			s := series.New(series.FromMap(map[string]string{"job": job, "instance": fmt.Sprint(k)}), grid)
			for i := range s.Values {
				s.Values[i] = 100*math.Sin(float64(i)/100) + rng.NormFloat64()
				if job == "b" {
					s.Values[i] += 1000
				}
				if ago := grid.N - 1 - i; job == "b" && k == 2 && ago < 15 {
					s.Values[i] -= 60
				}
			}
			members = append(members, s)
		}
	}
	src := &recorded{sets: map[string][]series.Series{"x": members}}
	fields := map[string]any{"kind": "peers", "expr": "x", "group_by": []string{"job"}, "step": "1m", "train": "1d", "refit": "1h", "min_train": "2h", "policy": map[string]any{"horizon": "1h"}, "output": "intervals", "legend": "{{job}}-{{instance}}"}
	resp := ask(t, over(t, src, goldenNow), query(goldenNow.Add(-14*time.Minute), goldenNow, fields))
	if resp.Error != nil {
		t.Fatal(resp.Error)
	}
	found := false
	for i := range resp.Frames[0].Rows() {
		if peak := field(t, resp.Frames[0], "peak").At(i).(*float64); *peak > 5 {
			found = field(t, resp.Frames[0], "series").At(i) == "b-2" && !found
		}
	}
	if !found {
		t.Error("b-2 is not the one that differs")
	}
	fields["output"] = "series"
	if resp = ask(t, over(t, src, goldenNow), query(goldenNow.Add(-14*time.Minute), goldenNow, fields)); resp.Error != nil || len(resp.Frames) != 8 {
		t.Errorf("series: %v, %d frames", resp.Error, len(resp.Frames))
	}
}

// A time has one verdict in a short panel and in a long one, though the siblings of a member ended between.
func TestPeersZoom(t *testing.T) {
	t.Parallel()
	end := series.Floor(goldenNow.UnixMilli(), minute)
	grid := series.GridOver(end-4000*minute, end, minute)
	rng := rand.New(rand.NewPCG(7, 1))
	var members []series.Series
	for k := range 9 {
		s := series.New(series.FromMap(map[string]string{"instance": fmt.Sprint(k)}), grid)
		for i := range s.Values {
			ago := grid.N - 1 - i
			if k >= 5 && ago > 180 || k < 5 {
				s.Values[i] = 100 + rng.NormFloat64()*float64(1+k)
			}
			if k == 2 && ago < 15 {
				s.Values[i] -= 20
			}
		}
		members = append(members, s)
	}
	src := &recorded{sets: map[string][]series.Series{"x": members}}
	fields := map[string]any{"kind": "peers", "expr": "x", "step": "1m", "train": "1d", "refit": "1h", "min_train": "2h", "policy": map[string]any{"horizon": "1h"}, "legend": "{{instance}}"}
	last := map[string]float64{}
	for _, ago := range []time.Duration{2 * time.Hour, 24 * time.Hour} {
		resp := ask(t, over(t, src, goldenNow), query(goldenNow.Add(-ago), goldenNow, fields))
		if resp.Error != nil {
			t.Fatal(resp.Error)
		}
		if want := 5; ago == 2*time.Hour && len(resp.Frames) != want {
			t.Fatalf("%d frames over two hours, want %d: those with a sample", len(resp.Frames), want)
		}
		for _, f := range resp.Frames[:5] {
			score := field(t, f, "score")
			x := score.At(score.Len() - 2).(*float64)
			if x == nil {
				t.Fatalf("%s over %s: no score", f.Name, ago)
			}
			if before, ok := last[f.Name]; ok && before != *x {
				t.Errorf("%s: score %v over two hours, %v over a day", f.Name, before, *x)
			}
			last[f.Name] = *x
		}
	}
	if len(last) != 5 || !(last["2"] > 1) {
		t.Errorf("scores %v", last)
	}
}

// More dimensions than a fit can hold is a mistake in the query, told in a sentence.
func TestTooManyDimensions(t *testing.T) {
	t.Parallel()
	end := series.Floor(goldenNow.UnixMilli(), minute)
	grid := series.GridOver(end-400*minute, end, minute)
	var members []series.Series
	for k := range 129 {
		s := series.New(series.FromMap(map[string]string{"instance": fmt.Sprint(k)}), grid)
		for i := range s.Values {
			s.Values[i] = float64(i % (k + 2))
		}
		members = append(members, s)
	}
	fields := jointFields(map[string]any{"expr": "x", "clean": ""})
	delete(fields, "dimensions")
	resp := ask(t, over(t, &recorded{sets: map[string][]series.Series{"x": members}}, goldenNow), query(goldenNow.Add(-time.Minute), goldenNow, fields))
	if resp.Error == nil || resp.Status != 400 || !strings.HasSuffix(resp.Error.Error(), "129, want at most 128: aggregate them, or group them by a label") {
		t.Errorf("status %v, error %v", resp.Status, resp.Error)
	}
}

func TestBadJointQueries(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"kind":"joint"}`: `parameter "dimensions": got nothing, want a PromQL expression for each dimension; or one "expr" whose series are the dimensions`,
		`{"kind":"joint","expr":"a","dimensions":{"b":"c"}}`:      `parameter "expr": got one besides "dimensions", want either`,
		`{"kind":"joint","dimensions":{"b":" "}}`:                 `parameter "dimensions": dimension "b" has no name or no expression, want both`,
		`{"kind":"joint","dimensions":["b"]}`:                     `parameter "dimensions": want an object with a PromQL expression for each name, like {"requests": "sum by (application) (rate(requests_total[5m]))"}`,
		`{"kind":"joint","expr":"a","policy":{"direction":"up"}}`: `policy: parameter "direction": got "up", want both: a vector has no up and down`,
		`{"kind":"joint","expr":"a","policy":{"absent":"1h"}}`:    `policy: parameter "absent": got 1h, want 0: the absence of a series in a vector is not watched; judge the series one by one for that`,
		`{"kind":"peers","expr":"a","policy":{"absent":"1h"}}`:    `policy: parameter "absent": got 1h, want 0: the absence of a series in a fleet is not watched; judge the series one by one for that`,
		`{"kind":"joint","expr":"a","detector":"seasonal"}`:       `unknown joint detector "seasonal": want one of auto, dbscan, iforest, kmeans, mahalanobis, pca`,
		`{"kind":"peers","expr":"a","detector":"seasonal"}`:       `unknown peer detector "seasonal": want one of dbscan, mad`,
		`{"kind":"peers"}`: `parameter "expr": got nothing, want a PromQL expression`,
		`{"kind":"detect","expr":"a","group_by":["b"]}`: `unknown parameter "group_by": want one of params, policy, expr, clean, detector, step, train, refit, min_train, zone, output, legend, lang`,
	} {
		if _, err := readQuery([]byte(raw), Settings{Zone: "UTC", Lang: "en"}); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", raw, err, want)
		}
	}
	for _, clean := range []string{"up @ start()", "$nothing"} {
		resp := ask(t, over(t, &recorded{sets: shops()}, goldenNow), query(goldenNow.Add(-time.Minute), goldenNow, jointFields(map[string]any{"clean": clean})))
		if resp.Error == nil || resp.Status != 400 || !strings.HasPrefix(resp.Error.Error(), `parameter "clean": `) {
			t.Errorf("%s: %v", clean, resp.Error)
		}
	}
}
