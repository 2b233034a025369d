package plugin

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// The clock of the golden files: samples a minute apart, the shown range is the last twenty minutes.
var goldenNow = time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)

const minute = int64(60_000)

// story returns series that show everything that a frame can: an episode that ended, one that is open, a gap, a series that is too young,
// and one that has gone.
func story() map[string][]series.Series {
	end := series.Floor(goldenNow.UnixMilli(), minute)
	grid := series.GridOver(end-120*minute, end, minute)
	of := func(name string, value func(ago int) float64) series.Series {
		s := series.New(series.FromMap(map[string]string{"__name__": "load", "service": name, "zone": "a,b"}), grid)
		for i := range s.Values {
			s.Values[i] = value(grid.N - 1 - i)
		}
		return s
	}
	calm := func(ago int) float64 { return 100 + float64(ago%3) - 1 }
	return map[string][]series.Series{
		"load": {
			of("api", func(ago int) float64 {
				if ago <= 12 && ago >= 9 { // four samples far above
					return 140
				}
				return calm(ago)
			}),
			of("db", func(ago int) float64 {
				switch {
				case ago == 15: // a sample is missing
					return math.NaN()
				case ago < 4 && ago > 0: // below, and still open
					return 70
				case ago == 0: // not scraped yet
					return math.NaN()
				}
				return calm(ago)
			}),
			of("gone", func(ago int) float64 {
				if ago < 40 {
					return math.NaN()
				}
				return calm(ago)
			}),
			of("young", func(ago int) float64 {
				if ago > 12 {
					return math.NaN()
				}
				return calm(ago)
			}),
		},
		"api": {of("api", func(ago int) float64 {
			if ago <= 12 && ago >= 9 {
				return 140
			}
			return calm(ago)
		})},
	}
}

func storyQuery(more map[string]any) map[string]any {
	q := map[string]any{
		"refId": "A", "expr": "load", "detector": "test_level", "params": map[string]any{"width": 12}, "legend": "{{service}}",
		"step": "1m", "train": "30m", "refit": "10m", "min_train": "10m",
		"policy": map[string]any{"n": 2, "m": 3, "horizon": "20m", "min_rel": 0},
	}
	for k, v := range more {
		q[k] = v
	}
	return q
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		query map[string]any
		src   *recorded
	}{
		{"series", map[string]any{}, &recorded{sets: story()}},
		{"series_single", map[string]any{"expr": "api", "legend": ""}, &recorded{sets: story()}},
		{"series_empty", map[string]any{"expr": "nothing"}, &recorded{}},
		{"series_notices", map[string]any{"lang": "zh-Hans"}, &recorded{sets: story(), warnings: []string{"partial answer"}, notices: []prom.Notice{
			{Kind: prom.NoticeHistoryChanged, Text: "history changed"},
			{Kind: prom.NoticeSeriesCut, Count: 4, Text: "cut"},
			{Kind: "new kind", Text: "As it says itself."},
		}}},
		{"latest", map[string]any{"output": "latest"}, &recorded{sets: story()}},
		{"latest_empty", map[string]any{"output": "latest", "expr": "nothing"}, &recorded{}},
		{"intervals", map[string]any{"output": "intervals"}, &recorded{sets: story()}},
		{"intervals_chinese", map[string]any{"output": "intervals", "lang": "zh-Hans", "zone": "Asia/Shanghai"}, &recorded{sets: story()}},
		{"annotations", map[string]any{"output": "annotations"}, &recorded{sets: story()}},
		{"annotations_empty", map[string]any{"output": "annotations", "expr": "nothing"}, &recorded{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp := ask(t, over(t, tt.src, goldenNow), query(goldenNow.Add(-20*time.Minute), goldenNow, storyQuery(tt.query)))
			if resp.Error != nil {
				t.Fatal(resp.Error)
			}
			checkGolden(t, filepath.Join("testdata", "golden", tt.name+".json"), resp)
		})
	}
}

// checkGolden compares an answer, as it goes to Grafana, with a file; numbers may differ in their last digits.
func checkGolden(t *testing.T, path string, resp backend.DataResponse) {
	t.Helper()
	raw, err := json.Marshal(resp)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if *update {
		pretty, err := json.MarshalIndent(got, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(pretty, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update to write it)", err)
	}
	if err := json.Unmarshal(file, &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 1e-9)); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}
