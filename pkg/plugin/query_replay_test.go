package plugin

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// fortnights returns a source with two services over thirty days: one has an outage of half an hour that is known, and a surprise that is not.
func fortnights(now time.Time) (src *recorded, outage, surprise int64) {
	const step = 5 * minute
	end := series.Floor(now.UnixMilli(), step)
	grid := series.GridOver(end-30*24*60*minute, end, step)
	outage, surprise = end-3*24*60*minute, end-9*24*60*minute
	var all []series.Series
	for _, name := range []string{"api", "db"} {
		rng := rand.New(rand.NewPCG(uint64(len(name)), 9))
		s := series.New(series.FromMap(map[string]string{"__name__": "load", "service": name}), grid)
		for i := range s.Values {
			t := grid.At(i)
			s.Values[i] = 100 + 30*math.Sin(2*math.Pi*float64(t%86_400_000)/86_400_000) + 2*rng.NormFloat64()
			if name == "api" && t >= outage && t < outage+30*minute {
				s.Values[i] = 5
			}
			if name == "api" && t >= surprise && t < surprise+30*minute {
				s.Values[i] = 300
			}
		}
		all = append(all, s)
	}
	known := series.New(series.FromMap(map[string]string{"service": "api"}), grid)
	for i := range known.Values {
		known.Values[i] = 0
		if t := grid.At(i); t >= outage && t < outage+30*minute {
			known.Values[i] = 1
		}
	}
	return &recorded{sets: map[string][]series.Series{"load": all, "incident": {known}}}, outage, surprise
}

func replayQueryOf(more map[string]any) map[string]any {
	q := map[string]any{"refId": "A", "kind": "replay", "expr": "load", "step": "5m", "legend": "{{service}}", "last": "14d"}
	maps.Copy(q, more)
	return q
}

func TestReplayOutputs(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	src, outage, surprise := fortnights(now)
	// The shown range chooses the end and nothing else.
	for _, shown := range []time.Duration{time.Hour, 20 * 24 * time.Hour} {
		answer := ask(t, over(t, src, now), query(now.Add(-shown), now, replayQueryOf(map[string]any{"output": "intervals", "incidents": "incident"})))
		if answer.Error != nil {
			t.Fatal(answer.Error)
		}
		f := answer.Frames[0]
		right := map[int64]string{}
		for i := range f.Rows() {
			if field(t, f, "series").At(i) == "api" {
				right[field(t, f, "start").At(i).(time.Time).UnixMilli()] = field(t, f, "right").At(i).(string)
			}
		}
		if right[outage] != "hit" || right[surprise] != "false" {
			t.Errorf("shown %v: %v, want a hit at %d and a false one at %d", shown, right, outage, surprise)
		}
	}
	answer := ask(t, over(t, src, now), query(now.Add(-time.Hour), now, replayQueryOf(map[string]any{"output": "summary", "incidents": "incident", "lang": "zh-Hans"})))
	if answer.Error != nil {
		t.Fatal(answer.Error)
	}
	f := answer.Frames[0]
	if f.Rows() != 2 || field(t, f, "hits").At(0) != int64(1) || field(t, f, "hits").At(1) != int64(0) || *field(t, f, "delay").At(0).(*float64) != 600 || math.Abs(field(t, f, "weeks").At(0).(float64)-2) > 1e-9 {
		t.Errorf("hits %v and %v, delay %v s, weeks %v", field(t, f, "hits").At(0), field(t, f, "hits").At(1), *field(t, f, "delay").At(0).(*float64), field(t, f, "weeks").At(0))
	}
	if name := field(t, f, "missed").Config.DisplayNameFromDS; name != "漏报" {
		t.Errorf("column %q", name)
	}
	answer = ask(t, over(t, src, now), query(now.Add(-time.Hour), now, replayQueryOf(nil)))
	if answer.Error != nil || len(answer.Frames) != 2 || answer.Frames[0].Rows() != 2 || field(t, answer.Frames[0], "episodes").At(0).(float64)+field(t, answer.Frames[0], "episodes").At(1).(float64) < 2 {
		t.Errorf("weeks: %+v %v", answer.Frames, answer.Error)
	}
}

// A replay says of the shown samples what the detect query says.
func TestReplayIsWhatDetectShows(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	src, _, _ := fortnights(now)
	replayed := ask(t, over(t, src, now), query(now.Add(-time.Hour), now, replayQueryOf(map[string]any{"output": "intervals"}))).Frames[0]
	fields := replayQueryOf(map[string]any{"output": "intervals", "kind": "detect"})
	delete(fields, "last")
	shown := ask(t, over(t, src, now), query(now.Add(-14*24*time.Hour), now, fields)).Frames[0]
	if replayed.Rows() == 0 || replayed.Rows() != shown.Rows() {
		t.Fatalf("%d episodes in the replay, %d shown", replayed.Rows(), shown.Rows())
	}
	for i := range shown.Rows() {
		for _, name := range []string{"start", "series", "reason"} {
			if a, b := field(t, replayed, name).At(i), field(t, shown, name).At(i); a != b {
				t.Errorf("row %d, %s: %v in the replay, %v shown", i, name, a, b)
			}
		}
	}
}

func TestReplaySetting(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	src, _, _ := fortnights(now)
	fit := series.New(src.sets["incident"][0].Labels, src.sets["incident"][0].Grid)
	for i, x := range src.sets["incident"][0].Values {
		fit.Values[i] = 1 - x
	}
	src.sets["incident == bool 0"] = []series.Series{fit}
	more := map[string]any{"output": "setting", "wanted": 1, "clean": "incident == bool 0", "policy": map[string]any{"mute": []string{"sun 02:00/04:00"}, "absent": "1h"}}
	answer := ask(t, over(t, src, now), query(now.Add(-time.Hour), now, replayQueryOf(more)))
	if answer.Error != nil {
		t.Fatal(answer.Error)
	}
	if text := answer.Frames[0].Meta.ExecutedQueryString; !strings.Contains(text, `absent 1h, mute ["sun 02:00/04:00"]`) {
		t.Errorf("executed:\n%s", text)
	}
	f := answer.Frames[0]
	chosen := 0
	for i := range f.Rows() {
		if field(t, f, "chosen").At(i) == "" {
			continue
		}
		chosen++
		if rule := field(t, f, "rule").At(i).(string); !strings.HasPrefix(rule, "rules:\n") || !strings.Contains(rule, "\n    clean: \"incident == bool 0\"\n") {
			t.Errorf("rule %q", rule)
		}
		// What is printed is a query.
		text := field(t, f, "query").At(i).(string)
		if _, err := readQuery([]byte(text), Settings{Zone: "UTC", Lang: "en"}); err != nil || !strings.Contains(text, `"clean":"incident == bool 0"`) {
			t.Errorf("query %s: %v", text, err)
		}
	}
	if chosen != 1 {
		t.Errorf("%d settings are chosen", chosen)
	}
}

// ending is a source whose caller goes away once it has answered.
type ending struct {
	*recorded
	end context.CancelFunc
}

func (e ending) Range(ctx context.Context, expr string, grid series.Grid) (prom.Answer, error) {
	answer, err := e.recorded.Range(ctx, expr, grid)
	e.end()
	return answer, err
}

// Only a range without anything to judge is the mistake of who asks: neither a caller that goes away is one nor a fault of the program.
func TestSearchBlamesWhoIsToBlame(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	src, _, _ := fortnights(now)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q := query(now.Add(-time.Hour), now, replayQueryOf(map[string]any{"output": "setting", "wanted": 1}))
	q.RefID = "A"
	resp, err := over(t, ending{src, cancel}, now).QueryData(ctx, &backend.QueryDataRequest{Queries: []backend.DataQuery{q}})
	if err != nil || resp.Responses["A"].Status != statusCanceled {
		t.Errorf("%v: %+v", err, resp.Responses["A"])
	}
	got := failed(t.Context(), fmt.Errorf("replay a: %w", &evaluate.Panic{Value: "out of range", Stack: []byte("goroutine 1")}))
	if got.Status != 500 || !strings.Contains(got.Error.Error(), "the plugin has a fault") || strings.Contains(got.Error.Error(), "goroutine") {
		t.Errorf("%v: %v", got.Status, got.Error)
	}
}

func TestSelftestOutputs(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	src, _, _ := fortnights(now)
	fields := replayQueryOf(map[string]any{"kind": "selftest", "last": "5d", "incidents": "incident"})
	answer := ask(t, over(t, src, now), query(now.Add(-time.Hour), now, fields))
	if answer.Error != nil {
		t.Fatal(answer.Error)
	}
	f := answer.Frames[0]
	if f.Rows() != 2 || field(t, f, "verdict").At(0) != "passed" || field(t, f, "reason").At(0).(string) == "" || field(t, f, "spike").At(0).(string) == "–" {
		t.Errorf("%+v", f)
	}
	fields["output"] = "sizes"
	answer = ask(t, over(t, src, now), query(now.Add(-time.Hour), now, fields))
	if answer.Error != nil || answer.Frames[0].Rows() < 20 {
		t.Errorf("%+v %v", answer.Frames[0], answer.Error)
	}
}

// Mistakes name the field, the value and what is wanted.
func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	src, _, _ := fortnights(now)
	for _, tt := range []struct {
		more map[string]any
		want string
	}{
		{map[string]any{"output": "latest"}, `parameter "output": got "latest", want one of series, intervals, summary, setting, annotations`},
		{map[string]any{"output": "setting"}, `parameter "wanted": got 0, want the number`},
		{map[string]any{"output": "setting", "wanted": 1, "train": "60d", "min_train": "60d"}, `parameter "last": got 14d: no sample could be judged`},
		{map[string]any{"last": "1m"}, `parameter "last": got 1m, want 1h to 365d`},
		{map[string]any{"kind": "selftest", "wanted": 1}, `unknown parameter "wanted"`},
	} {
		answer := ask(t, over(t, src, now), query(now.Add(-time.Hour), now, replayQueryOf(tt.more)))
		if answer.Error == nil || !strings.Contains(answer.Error.Error(), tt.want) || answer.Status != 400 {
			t.Errorf("%v: %v", tt.more, answer.Error)
		}
	}
}
