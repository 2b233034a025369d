package plugin

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/prom/promtest"
	"github.com/foreshock/foreshock/pkg/series"
)

// logSeries are what an exporter would have published over two days: a template a minute, a rare one, and one that came an hour ago for the first time.
func logSeries(now time.Time) []series.Series {
	const often, rare, fresh = "00000000000000aa", "00000000000000bb", "00000000000000cc"
	end := series.Floor(now.UnixMilli(), minute)
	grid := series.GridOver(end-48*60*minute, end, minute)
	of := func(labels map[string]string, value func(i int) float64) series.Series {
		labels["instance"] = "web-1"
		s := series.New(series.FromMap(labels), grid)
		for i := range s.Values {
			s.Values[i] = value(i)
		}
		return s
	}
	constant := func(v float64) func(int) float64 { return func(int) float64 { return v } }
	begun := grid.N - 60
	template := func(id, level string, value func(int) float64) series.Series {
		return of(map[string]string{"__name__": "foreshock_log_template_total", "source": "shop", "template_id": id, "level": level}, value)
	}
	all := []series.Series{
		template(often, "info", func(i int) float64 { return float64(10 * i) }),
		template(often, "error", func(i int) float64 { return float64(i / 60) }),
		template(rare, "warn", func(i int) float64 { return 1 + math.Floor(float64(i)/float64(grid.N-30)) }),
		template(fresh, "error", func(i int) float64 {
			if i < begun {
				return math.NaN()
			}
			return 3 // it came three times before the first scrape, and never again
		}),
		of(map[string]string{"__name__": "foreshock_log_lines_total", "source": "shop"}, func(i int) float64 { return float64(11 * i) }),
	}
	for id, text := range map[string]string{often: "order <*> accepted", rare: "disk <*> is slow", fresh: "out of memory"} {
		all = append(all, of(map[string]string{"__name__": "foreshock_log_template_info", "template_id": id, "template": text}, constant(1)))
	}
	for id, bits := range map[string]float64{often: 0.1, rare: 15, fresh: 12} {
		all = append(all, of(map[string]string{"__name__": "foreshock_log_template_rarity", "source": "shop", "template_id": id}, constant(bits)))
	}
	for edge, perMinute := range map[[2]string]float64{{flowBegin, often}: 4, {often, rare}: 1, {often, flowEnd}: 3, {rare, flowEnd}: 1} {
		all = append(all, of(map[string]string{"__name__": "foreshock_log_flow_total", "source": "shop", "from": edge[0], "to": edge[1]},
			func(i int) float64 { return perMinute * float64(i) }))
	}
	for verdict, perMinute := range map[string]float64{"normal": 4, "abnormal": 0.1} {
		all = append(all, of(map[string]string{"__name__": "foreshock_log_sequences_total", "source": "shop", "verdict": verdict},
			func(i int) float64 { return math.Floor(perMinute * float64(i)) }))
	}
	return all
}

// TestLogs asks a real Prometheus that holds what an exporter publishes.
func TestLogs(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(5 * time.Minute)
	server := promtest.Start(t)
	server.Write(t, logSeries(now)...)
	d := instance(t, server.URL, `{}`)
	d.now = func() time.Time { return now }
	from := now.Add(-2 * time.Hour)
	logs := func(fields map[string]any) data.Frames {
		t.Helper()
		fields["kind"], fields["selector"] = "logs", `instance="web-1"`
		answer := ask(t, d, query(from, now, fields))
		if answer.Error != nil {
			t.Fatal(answer.Error)
		}
		return answer.Frames
	}

	frames := logs(map[string]any{"output": "templates", "top": 2})
	sums := map[string]float64{}
	for _, f := range frames {
		sums[f.Name] = sumOf(f.Fields[1])
	}
	// 25 steps of five minutes: 10 a minute and one error an hour. The new template counts although its counter never grew.
	if len(frames) != 2 || math.Abs(sums["order <*> accepted"]-1252) > 2 || sums["out of memory"] != 3 {
		t.Errorf("templates: %v", sums)
	}
	if n := frames[0].Meta.Notices; len(n) != 1 || !strings.Contains(n[0].Text, "The 2 most frequent of 3 templates; the others have 1 messages") {
		t.Errorf("notices: %+v", n)
	}

	rows := map[string]string{}
	f := logs(map[string]any{"output": "new"})[0]
	for i := range f.Rows() {
		rows[field(t, f, "template").At(i).(string)] = field(t, f, "state").At(i).(string)
	}
	if diff := cmp.Diff(map[string]string{"out of memory": "new", "disk <*> is slow": "rare"}, rows); diff != "" {
		t.Error(diff)
	}
	if got := field(t, f, "messages").At(0).(float64); got != 3 {
		t.Errorf("the new template has %v messages", got)
	}

	frames = logs(map[string]any{"output": "history", "template": "00000000000000aa"})
	if len(frames) != 2 || frames[0].Name != "shop error" || math.Abs(sumOf(frames[1].Fields[1])-1250) > 1 {
		t.Errorf("history: %d frames, %s %v", len(frames), frames[0].Name, sumOf(frames[1].Fields[1]))
	}
	frames = logs(map[string]any{"output": "history"}) // says which there are, the most frequent first
	if n := frames[0].Meta.Notices; len(n) != 1 || !strings.Contains(n[0].Text, "Which template?") ||
		!strings.Contains(n[0].Text, "range: 00000000000000aa order <*> accepted; 00000000000000cc out of memory; ") {
		t.Errorf("history of no template: %+v", n)
	}
	frames = logs(map[string]any{"output": "sequences"})
	if len(frames) != 2 || frames[0].Name != "shop: unusual" || math.Abs(sumOf(frames[0].Fields[1])-12) > 1 {
		t.Errorf("sequences: %d frames, %s", len(frames), frames[0].Name)
	}

	frames = logs(map[string]any{"output": "flow"})
	if len(frames) != 2 || frames[0].Meta.PreferredVisualization != data.VisTypeNodeGraph {
		t.Fatalf("flow: %d frames", len(frames))
	}
	share := map[string]string{}
	for i := range frames[1].Rows() {
		share[field(t, frames[1], "id").At(i).(string)] = field(t, frames[1], "secondarystat").At(i).(string)
	}
	const often, rare = "00000000000000aa", "00000000000000bb"
	if diff := cmp.Diff(map[string]string{"begin " + often: "100 %", often + " " + rare: "25 %", often + " end": "75 %", rare + " end": "100 %"}, share); diff != "" {
		t.Error(diff)
	}
	var titles []string
	for i := range frames[0].Rows() {
		titles = append(titles, field(t, frames[0], "title").At(i).(string))
	}
	slices.Sort(titles)
	if diff := cmp.Diff([]string{"begin", "disk <*> is slow", "end", "order <*> accepted"}, titles); diff != "" {
		t.Error(diff)
	}
}

// TestLogsOutage: what counters counted in their lives is no burst when they are back after two hours, and a template that came since is counted.
func TestLogsOutage(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(5 * time.Minute)
	end := series.Floor(now.UnixMilli(), minute)
	grid := series.GridOver(end-6*60*minute, end, minute)
	back := grid.N - 60 // the outage is the two hours before
	of := func(id string, value func(i int) float64) series.Series {
		labels := map[string]string{"__name__": "foreshock_log_lines_total", "instance": "web-2", "job": "node", "source": "shop"}
		if id != "" {
			labels["__name__"], labels["template_id"], labels["level"] = "foreshock_log_template_total", id, "info"
		}
		s := series.New(series.FromMap(labels), grid)
		for i := range s.Values {
			if s.Values[i] = value(i); i >= back-120 && i < back {
				s.Values[i] = math.NaN()
			}
		}
		return s
	}
	server := promtest.Start(t)
	server.Write(t, of("", func(i int) float64 { return 50_000 + 10*float64(i) }), of("00000000000000aa", func(i int) float64 { return 50_000 + 10*float64(i) }),
		of("00000000000000dd", func(i int) float64 {
			if i < back+30 {
				return math.NaN()
			}
			return 7
		}))
	d := instance(t, server.URL, `{}`)
	d.now = func() time.Time { return now }
	answer := ask(t, d, query(now.Add(-5*time.Hour), now, map[string]any{"kind": "logs", "output": "templates"}))
	if answer.Error != nil {
		t.Fatal(answer.Error)
	}
	sums := map[string]float64{}
	for _, f := range answer.Frames {
		sums[f.Name] = sumOf(f.Fields[1])
		for i := range f.Rows() {
			if v, at := f.Fields[1].At(i).(*float64), f.Fields[0].At(i).(time.Time); v != nil && *v > 60 {
				t.Errorf("%s: %v messages in the five minutes before %s", f.Name, *v, at)
			}
		}
	}
	// Three hours of 10 a minute are known: two before the outage and one after it, of which the first step is not.
	if n := sums["00000000000000aa"]; n < 1700 || n > 1810 || sums["00000000000000dd"] != 7 {
		t.Errorf("messages: %v", sums)
	}
}

func sumOf(f *data.Field) (sum float64) {
	for i := range f.Len() {
		if v, ok := f.At(i).(*float64); ok && v != nil {
			sum += *v
		}
	}
	return sum
}

// TestLogsYoung: what a source that began within the shown range says at first is not new, and the answer says so; what it says later is.
func TestLogsYoung(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	grid := series.GridOver(now.UnixMilli()-60*minute, now.UnixMilli(), 5*minute)
	of := func(labels map[string]string) series.Series {
		s := series.New(series.FromMap(labels), grid)
		for i := range s.Values {
			s.Values[i] = float64(i)
		}
		return s
	}
	late := of(map[string]string{"source": "a", "template_id": "00000000000000bb"})
	for i := range 8 { // 40 minutes
		late.Values[i] = math.NaN()
	}
	q := &logsQuery{}
	source := &recorded{sets: map[string][]series.Series{
		"sum by (source, template_id) (foreshock_log_template_total" + q.matchers() + ")": {of(map[string]string{"source": "a", "template_id": "00000000000000aa"}), late},
		"sum by (source) (foreshock_log_lines_total" + q.matchers() + ")":                 {of(map[string]string{"source": "a"})},
	}}
	answer := ask(t, over(t, source, now), query(now.Add(-2*time.Hour), now, map[string]any{"kind": "logs", "output": "new", "lang": "zh-Hans"}))
	if answer.Error != nil || answer.Frames[0].Rows() != 0 || len(answer.Frames[0].Meta.Notices) != 1 || !strings.Contains(answer.Frames[0].Meta.Notices[0].Text, "不视为新模板") {
		t.Errorf("%v, %d rows, %+v", answer.Error, answer.Frames[0].Rows(), answer.Frames[0].Meta.Notices)
	}
	for before, want := range map[string]int{"40m": 1, "45m": 0} {
		answer := ask(t, over(t, source, now), query(now.Add(-2*time.Hour), now, map[string]any{"kind": "logs", "output": "new", "before": before}))
		if answer.Error != nil || answer.Frames[0].Rows() != want {
			t.Errorf("before %s: %v, %d rows, want %d", before, answer.Error, answer.Frames[0].Rows(), want)
		}
	}
}

func TestLogsMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fields map[string]any
		want   string
	}{
		{map[string]any{"output": "history", "template": "$id"}, `parameter "template": got "$id", want the id of a template, 16 hexadecimal digits, for the output history`},
		{map[string]any{"selector": "{a}"}, `parameter "selector": got "{a}", want label matchers without braces, like job="node"`},
		{map[string]any{"expr": "up"}, `unknown parameter "expr"`},
		{map[string]any{"output": "latest"}, `parameter "output": got "latest", want one of templates, new, history, sequences, flow`},
		{map[string]any{"step": "1s"}, `parameter "step"`},
	} {
		c.fields["kind"] = "logs"
		answer := ask(t, over(t, &recorded{}, goldenNow), query(goldenNow.Add(-time.Hour), goldenNow, c.fields))
		if answer.Error == nil || !strings.HasPrefix(answer.Error.Error(), c.want) || answer.Status != 400 {
			t.Errorf("%v: %v (%d)", c.fields, answer.Error, answer.Status)
		}
	}
	answer := ask(t, over(t, &recorded{}, goldenNow), query(goldenNow.Add(-time.Hour), goldenNow, map[string]any{"kind": "logs"}))
	if answer.Error != nil || len(answer.Frames[0].Meta.Notices) != 1 {
		t.Errorf("nothing there: %v %+v", answer.Error, answer.Frames)
	}
}
