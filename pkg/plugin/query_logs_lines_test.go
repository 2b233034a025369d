package plugin

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/loki/lokitest"
)

// shopLines are a day of orders, one a minute, each of four lines in the same order. In the last hour one order takes another path, and a message comes
// that never came before.
func shopLines(now time.Time) (out []lokitest.Line) {
	add := func(at time.Time, level, format string, args ...any) {
		out = append(out, lokitest.Line{At: at, Labels: map[string]string{"app": "shop", "level": level}, Text: fmt.Sprintf(format, args...)})
	}
	for i := range 24 * 60 {
		at := now.Add(time.Duration(i-24*60)*time.Minute + time.Second)
		path := []string{"order accepted from 10.0.0.%d", "payment of %d cents booked", "parcel %d packed", "order closed after %d ms"}
		if i == 24*60-30 {
			path = []string{path[0], path[2], path[1], path[2], path[3]}
			add(at.Add(-time.Millisecond), "error", "request=r%d out of stock: article %d", i, i) // of another stream: Loki does not order one time
		}
		for k, text := range path {
			add(at.Add(time.Duration(k)*time.Second), "info", "request=r%d "+text, i, i%200+k)
		}
	}
	return out
}

// TestLogsOfLoki mines lines of a stand-in for Loki.
func TestLogsOfLoki(t *testing.T) {
	t.Parallel()
	now := lokitest.Now(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	server := lokitest.Start(t, lokitest.Options{Tenant: "t1", MaxEntries: 5000}, shopLines(now)...)
	d := instance(t, "http://127.0.0.1:1", `{"lokiUrl":"`+server.URL+`","lokiTenant":"t1"}`)
	d.now = func() time.Time { return now }
	logs := func(fields map[string]any) (answer *logsAnswered) {
		t.Helper()
		fields["kind"], fields["logql"], fields["session"] = "logs", `{app="shop"}`, `request=(\S+)`
		got := ask(t, d, query(now.Add(-time.Hour), now, fields))
		if got.Error != nil {
			t.Fatal(got.Error)
		}
		answer = &logsAnswered{t: t, answer: got.Frames}
		for _, n := range got.Frames[0].Meta.Notices {
			answer.notices += n.Text + "\n"
		}
		return answer
	}

	sums := map[string]float64{}
	for _, f := range logs(map[string]any{"output": "templates"}).answer {
		sums[f.Name] = sumOf(f.Fields[1])
	}
	want := map[string]float64{
		"request=<*> order accepted from <*>": 65, "request=<*> payment of <*> cents booked": 65, "request=<*> parcel <*> packed": 66,
		"request=<*> order closed after <*> ms": 65, "request=<*> out of stock: article <*>": 1,
	}
	for text, n := range want {
		if math.Abs(sums[text]-n) > 0 {
			t.Errorf("%s: %v lines, want %v; all: %v", text, sums[text], n, sums)
			break
		}
	}

	a := logs(map[string]any{"output": "new", "before": "12h"})
	f := a.answer[0]
	if f.Rows() != 1 || field(t, f, "state").At(0) != "new" || !strings.Contains(field(t, f, "template").At(0).(string), "out of stock") {
		t.Errorf("new: %d rows\n%s", f.Rows(), a.notices)
	}
	id := field(t, f, "template-id").At(0).(string)
	if f := logs(map[string]any{"output": "history", "template": id}).answer; len(f) != 1 || f[0].Name != "error" || sumOf(f[0].Fields[1]) != 1 {
		t.Errorf("history: %d frames, %s", len(f), f[0].Name)
	}

	a = logs(map[string]any{"output": "sequences", "before": "12h"})
	f = a.answer[0]
	if f.Rows() != 1 || field(t, f, "session").At(0) != "r1410" || field(t, f, "length").At(0) != int64(6) || !strings.Contains(field(t, f, "line").At(0).(string), "request=r1410") {
		t.Errorf("sequences: %d rows\n%s", f.Rows(), a.notices)
	}
	if !strings.Contains(a.notices, "1 took an unusual path") {
		t.Errorf("notices: %s", a.notices)
	}
	if a = logs(map[string]any{"output": "sequences", "before": "1m"}); a.answer[0].Rows() != 0 || !strings.Contains(a.notices, "want at least 10 to learn from") {
		t.Errorf("too few: %s", a.notices)
	}

	edges := logs(map[string]any{"output": "flow"}).answer[1]
	shares := []string{}
	for i := range edges.Rows() {
		shares = append(shares, field(t, edges, "secondarystat").At(i).(string))
	}
	if edges.Rows() != 9 || !slices.Contains([]string{"98 %", "99 %", "100 %"}, shares[0]) {
		t.Errorf("flow: %d edges, %v", edges.Rows(), shares)
	}
	if a = logs(map[string]any{"output": "templates", "max_lines": 100}); !strings.Contains(a.notices, "There are more lines than 100") {
		t.Errorf("cut: %s", a.notices)
	}
}

type logsAnswered struct {
	t       *testing.T
	answer  data.Frames
	notices string
}

func TestLogsOfLokiFails(t *testing.T) {
	t.Parallel()
	now := lokitest.Now(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	server := lokitest.Start(t, lokitest.Options{Tenant: "t1"}, shopLines(now)...)
	got := map[string]string{}
	for name, c := range map[string]struct{ settings, logql, more string }{
		"no address": {`{}`, `{app="shop"}`, ""},
		"tenant":     {`{"lokiUrl":"` + server.URL + `"}`, `{app="shop"}`, ""},
		"query":      {`{"lokiUrl":"` + server.URL + `","lokiTenant":"t1"}`, `{app=`, ""},
		"gone":       {`{"lokiUrl":"http://127.0.0.1:1"}`, `{app="shop"}`, ""},
		"bad key":    {`{"lokiUrl":"` + server.URL + `"}`, `{app="shop"}`, "("},
	} {
		d := instance(t, "http://127.0.0.1:1", c.settings)
		d.now = func() time.Time { return now }
		a := ask(t, d, query(now.Add(-time.Hour), now, map[string]any{"kind": "logs", "logql": c.logql, "session": c.more}))
		if a.Error == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		got[name] = fmt.Sprint(int(a.Status), " ", a.ErrorSource)
	}
	want := map[string]string{"no address": "400 downstream", "tenant": "403 downstream", "query": "400 downstream", "gone": "502 downstream", "bad key": "400 downstream"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
