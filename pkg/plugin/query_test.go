package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// TestFixtures decodes the queries that the front end's tests write and read.
func TestFixtures(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/queries/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("fixtures: %v, %v", files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kind, err := readQuery(raw, defaultSettings())
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		// Each field that is written stands in the decoded query.
		q := asked(t, kind)
		var fields map[string]any
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string]string{
			"expr": q.Expr, "detector": q.Detector, "output": q.Output, "legend": q.Legend, "lang": q.Lang, "zone": q.Zone,
			"step": q.Step.String(), "refit": q.Refit.String(), "min_train": q.MinTrain.String(),
		} {
			if want, ok := fields[name]; ok && got != want {
				t.Errorf("%s: %s is %q, want %q", file, name, got, want)
			}
		}
	}
}

// asked returns the fields that all kinds have.
func asked(t *testing.T, kind Kind) *detectQuery {
	t.Helper()
	switch q := kind.(type) {
	case *detectQuery:
		return q
	case *jointQuery:
		return &q.detectQuery
	case *peersQuery:
		return &q.detectQuery
	}
	t.Fatalf("a query of type %T", kind)
	return nil
}

func TestDefaultsOfTheDataSource(t *testing.T) {
	t.Parallel()
	s, err := readSettings([]byte(`{"zone":"Asia/Shanghai","lang":"zh-Hans","tlsAuth":true,"httpHeaderName1":"X","timeout":30,"timeInterval":""}`))
	if err != nil {
		t.Fatal(err)
	}
	kind, err := readQuery([]byte(`{"expr":"up"}`), s)
	if err != nil {
		t.Fatal(err)
	}
	q := kind.(*detectQuery)
	if q.Zone != "Asia/Shanghai" || q.Lang != "zh-Hans" || q.Detector != "auto" || q.Output != outputSeries || q.Step.String() != "1m" || q.policy.N != 3 {
		t.Errorf("%+v", q)
	}
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	d := over(t, &recorded{sets: story()}, goldenNow)
	for in, want := range map[string]string{
		`[]`:                             `the query is not a JSON object`,
		`null`:                           `the query is not a JSON object`,
		`{"kind":7}`:                     `parameter "kind": got 7, want the name of a query kind`,
		`{"kind":"detekt"}`:              `unknown query kind "detekt": want one of ` + strings.Join(Kinds.Names(), ", "),
		`{}`:                             `parameter "expr": got nothing, want a PromQL expression`,
		`{"expr":" "}`:                   `parameter "expr": got nothing, want a PromQL expression`,
		`{"expr":["up"]}`:                `parameter "expr": got ["up"], want a string`,
		`{"expr":"up","steps":"1m"}`:     `unknown parameter "steps": want one of params, policy, expr, clean, detector, step, train, refit, min_train, zone, output, legend, lang`,
		`{"expr":"up","step":60}`:        `parameter "step": got 60, want a duration like 90s, 5m, 12h or 7d`,
		`{"expr":"up","step":"0s"}`:      `parameter "step": got 0s, want 1s to 1d`,
		`{"expr":"up","step":"7m"}`:      `parameter "refit": got 1d, want a multiple of the step, which is 7m`,
		`{"expr":"up","zone":"Mars"}`:    `parameter "zone": got "Mars", want a time zone like UTC, Europe/Berlin or Asia/Shanghai`,
		`{"expr":"up","output":"table"}`: `parameter "output": got "table", want one of series, latest, intervals, annotations`,
		`{"expr":"up","lang":"fr"}`:      `parameter "lang": got "fr", want one of en, zh-Hans`,
		`{"expr":"up","policy":{"n":9}}`: `policy: parameter "n": got 9, want at most m, which is 5`,
		`{"expr":"up","policy":{"dirction":"up"}}`:                    `policy: unknown parameter "dirction": want one of direction, min_abs, min_rel, n, m, recovery, recover_samples, horizon, absent, mute`,
		`{"expr":"up","step":"12h"}`:                                  `policy: parameter "horizon": got 1d, want at least (m + recover_samples) × step, which is 5d`,
		`{"expr":"up","policy":[1]}`:                                  `policy: parameters: want a JSON object, got [1]`,
		`{"expr":"up","detector":"mad","params":{"budget":"1"}}`:      `detector mad: parameter "budget": got "1", want a number`,
		`{"expr":"up","detector":"test_level","params":{"width":0}}`:  `detector test_level: parameter "width": got 0, want 0.1 to 1000`,
		`{"expr":"up @ start()"}`:                                     `parameter "expr": start() is not allowed, since it is the range of the panel: use a fixed time, or an offset`,
		`{"expr":"up[$foo]"}`:                                         `parameter "expr": variable $foo has no value here: want one of $__interval, $__interval_ms, $__range, $__range_ms, $__range_s, $__rate_interval, $__rate_interval_ms, or a variable of the dashboard (alert rules have none)`,
		`{"expr":"up","step":"1s","train":"1d","horizon":"1h"}`:       `unknown parameter "horizon": want one of params, policy, expr, clean, detector, step, train, refit, min_train, zone, output, legend, lang`,
		`{"expr":"up","step":"1s","train":"1d","min_train":"1h"}LONG`: `parameter "step": got 1s, which makes 31536000 samples of each series in the shown range, want at most 530000: show a shorter range or use a longer step`,
	} {
		from := goldenNow.Add(-time.Hour)
		if body, long := strings.CutSuffix(in, "LONG"); long {
			in, from = body, goldenNow.Add(-365*24*time.Hour)
		}
		resp := ask(t, d, backend.DataQuery{JSON: []byte(in), TimeRange: backend.TimeRange{From: from, To: goldenNow}})
		if resp.Error == nil || resp.Error.Error() != want || resp.Status != backend.StatusBadRequest || resp.ErrorSource != backend.ErrorSourceDownstream {
			t.Errorf("%s:\n got %v (status %d, source %q)\nwant %s", in, resp.Error, resp.Status, resp.ErrorSource, want)
		}
	}
}

// TestGrafanasFields: what Grafana writes into queries is not an error, and changes nothing.
func TestGrafanasFields(t *testing.T) {
	t.Parallel()
	fields := storyQuery(nil)
	for _, name := range grafanas {
		fields[name] = map[string]any{"anything": 1}
	}
	d := over(t, &recorded{sets: story()}, goldenNow)
	resp := ask(t, d, query(goldenNow.Add(-20*time.Minute), goldenNow, fields))
	if resp.Error != nil {
		t.Fatal(resp.Error)
	}
	checkGolden(t, "testdata/golden/series.json", resp)
}

// TestErrorsOfTheSource: status and blame for each kind of failure.
func TestErrorsOfTheSource(t *testing.T) {
	t.Parallel()
	for kind, status := range map[prom.Kind]backend.Status{
		prom.KindBadQuery: 400, prom.KindTooManySamples: 422, prom.KindTimeout: 504, prom.KindAuth: 403,
		prom.KindUnavailable: 502, prom.KindNotPrometheus: 502, prom.KindCanceled: 499,
	} {
		d := over(t, &recorded{err: fmt.Errorf("wrapped: %w", &prom.Error{Kind: kind, Text: "what happened"})}, goldenNow)
		resp := ask(t, d, query(goldenNow.Add(-time.Hour), goldenNow, storyQuery(nil)))
		if resp.Status != status || resp.ErrorSource != backend.ErrorSourceDownstream || !strings.Contains(resp.Error.Error(), "what happened") {
			t.Errorf("%s: status %d, source %s, %v", kind, resp.Status, resp.ErrorSource, resp.Error)
		}
	}
	d := over(t, &recorded{err: errors.New("a fault of ours")}, goldenNow)
	if resp := ask(t, d, query(goldenNow.Add(-time.Hour), goldenNow, storyQuery(nil))); resp.Status != 500 || resp.ErrorSource != backend.ErrorSourcePlugin {
		t.Errorf("unknown error: status %d, source %s", resp.Status, resp.ErrorSource)
	}
}

// TestPanicIsContained: a detector that panics fails its own query, says nothing of what was in the panic, and stops nothing else.
func TestPanicIsContained(t *testing.T) {
	t.Parallel()
	d := over(t, &recorded{sets: story()}, goldenNow)
	good := query(goldenNow.Add(-20*time.Minute), goldenNow, storyQuery(nil))
	bad := query(goldenNow.Add(-20*time.Minute), goldenNow, storyQuery(map[string]any{"params": map[string]any{"width": testPanic}}))
	bad.RefID = "B"
	for range 2 { // the second meets what the first has left in the cache of fits
		resp, err := d.QueryData(context.Background(), &backend.QueryDataRequest{Queries: []backend.DataQuery{bad, good}})
		if err != nil {
			t.Fatal(err)
		}
		if r := resp.Responses["A"]; r.Error != nil || len(r.Frames) != 3 {
			t.Errorf("the good query: %v, %d frames", r.Error, len(r.Frames))
		}
		r := resp.Responses["B"]
		if r.Error == nil || r.Status != 500 || r.ErrorSource != backend.ErrorSourcePlugin || strings.Contains(r.Error.Error(), "secret-in-panic") {
			t.Errorf("the query that panics: %v, status %d, source %s", r.Error, r.Status, r.ErrorSource)
		}
	}
}

// TestManyAtOnce runs the same and different queries at once over one instance: one fit for each that is needed, the same answer for all.
func TestManyAtOnce(t *testing.T) {
	// Not parallel: it counts the fits of the test detector.
	d := over(t, &recorded{sets: story()}, goldenNow)
	var queries []backend.DataQuery
	for i := range 24 {
		q := query(goldenNow.Add(-20*time.Minute), goldenNow, storyQuery(map[string]any{"output": []string{"series", "latest", "intervals", "annotations"}[i%4]}))
		q.RefID = fmt.Sprintf("Q%d", i)
		queries = append(queries, q)
	}
	before := testFits.Load()
	var answers [2]*backend.QueryDataResponse
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			var err error
			if answers[i], err = d.QueryData(context.Background(), &backend.QueryDataRequest{Queries: queries}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made, models := testFits.Load()-before, d.fits.Stats().Models; made != int64(models) || made == 0 {
		t.Errorf("%d fits made for %d models", made, models)
	}
	for i := range queries {
		a, b := answers[0].Responses[queries[i].RefID], answers[1].Responses[queries[i].RefID]
		if a.Error != nil || b.Error != nil {
			t.Fatal(a.Error, b.Error)
		}
		for k := range a.Frames {
			x, err1 := json.Marshal(a.Frames[k].Fields)
			y, err2 := json.Marshal(b.Frames[k].Fields)
			if err1 != nil || err2 != nil || !bytes.Equal(x, y) {
				t.Errorf("query %d frame %d: the answers differ: %v %v", i, k, err1, err2)
			}
		}
	}
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	d := over(t, &recorded{sets: story()}, goldenNow)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	resp, err := d.QueryData(ctx, &backend.QueryDataRequest{Queries: []backend.DataQuery{query(goldenNow.Add(-time.Hour), goldenNow, storyQuery(nil))}})
	if err != nil || resp.Responses["A"].Status != statusCanceled {
		t.Errorf("%v, status %d: %v", err, resp.Responses["A"].Status, resp.Responses["A"].Error)
	}
}

// TestSeriesCap: the first by labels are judged, and those that have ended do not take the place of living ones.
func TestSeriesCap(t *testing.T) {
	t.Parallel()
	sets := story()
	d := over(t, &recorded{sets: sets}, goldenNow)
	d.settings.MaxSeries = 2
	resp := ask(t, d, query(goldenNow.Add(-20*time.Minute), goldenNow, storyQuery(nil)))
	if resp.Error != nil || len(resp.Frames) != 2 || resp.Frames[0].Name != "api" || resp.Frames[1].Name != "db" {
		t.Fatalf("%v, %d frames", resp.Error, len(resp.Frames))
	}
	want := "Judged are the first 2 of 3 series by their labels: narrow the query, aggregate it, or raise the data source's limit of 2 series."
	if n := resp.Frames[0].Meta.Notices; len(n) == 0 || n[0].Text != want {
		t.Errorf("notices %+v", n)
	}
}

// TestRangeOfThePanelIsNotTheFetch: macros and fetch come from the query; the future is not asked for.
func TestRangeOfThePanelIsNotTheFetch(t *testing.T) {
	t.Parallel()
	src := &recorded{sets: story()}
	d := over(t, src, goldenNow)
	resp := ask(t, d, query(goldenNow.Add(-5*time.Minute), goldenNow.Add(time.Hour), storyQuery(nil)))
	if resp.Error != nil {
		t.Fatal(resp.Error)
	}
	last := series.Floor(goldenNow.UnixMilli(), minute)
	if g := *src.gridSeen.Load(); g.Step != minute || g.At(g.N-1) != last || g.Start > last-(5+20+10+30)*minute {
		t.Errorf("asked for %+v", g)
	}
	resp = ask(t, d, query(goldenNow.Add(time.Hour), goldenNow.Add(2*time.Hour), storyQuery(nil)))
	if resp.Error != nil || len(resp.Frames) != 1 || !strings.Contains(resp.Frames[0].Meta.Notices[0].Text, "future") {
		t.Errorf("a range in the future: %v", resp.Error)
	}
}

func TestLegend(t *testing.T) {
	t.Parallel()
	ls := series.FromMap(map[string]string{"job": "api", "pod": "{{job}}"})
	for in, want := range map[string]string{
		"": "", "x": "x", "{{job}}": "api", "{{ job }}/{{pod}}": "api/{{job}}", "{{none}}": "", "{{job": "{{job", "a}} {{job}}": "a}} api", "{{}}": "",
	} {
		if got := legend(in, ls); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
