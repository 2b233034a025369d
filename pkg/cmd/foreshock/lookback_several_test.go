package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/message"
)

// fleetFile is ten days of four members at five minutes; the third goes its own way for an hour of the last day.
func fleetFile(t *testing.T) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 8))
	var b strings.Builder
	b.WriteString("timestamp,web-1,web-2,web-3,web-4,broken\n")
	for i := range 10 * 288 {
		load, broken := 100+50*math.Sin(2*math.Pi*float64(i%288)/288), 0
		fmt.Fprintf(&b, "%d", 1767225600+i*300)
		for k := range 4 {
			x := load + 2*rng.NormFloat64()
			if k == 2 && i >= 2800 && i < 2812 {
				x, broken = x+40, 1
			}
			fmt.Fprintf(&b, ",%.3f", x)
		}
		fmt.Fprintf(&b, ",%d\n", broken)
	}
	return write(t, "fleet.csv", b.String())
}

// replayed is one line of JSON.
type replayedLine struct {
	Series    string
	Weeks     float64 `json:"weeks_judged"`
	PerWeek   float64 `json:"per_week"`
	Episodes  []struct{ Began, Kind, Right, Reason, Direction string }
	Incidents []struct{ Hit bool }
}

func replayedLines(t *testing.T, args ...string) []replayedLine {
	t.Helper()
	got := foreshock(t, "", append([]string{"replay", "--format", "json", "-q"}, args...)...)
	if got.code != 0 {
		t.Fatalf("exit code %d: %s", got.code, got.errors)
	}
	var out []replayedLine
	for line := range strings.Lines(got.out) {
		var one replayedLine
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		out = append(out, one)
	}
	return out
}

// began returns the beginnings of the episodes that joint and peers tell, by series: the column given is that of the beginning.
func began(t *testing.T, column int, args ...string) []string {
	t.Helper()
	got := foreshock(t, "", append(args, "--format", "intervals", "-q")...)
	if got.code != 0 {
		t.Fatalf("exit code %d: %s", got.code, got.errors)
	}
	rows, err := csv.NewReader(strings.NewReader(got.out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		if strings.HasPrefix(r[column], "2026") {
			out = append(out, r[column])
		}
	}
	slices.Sort(out)
	return out
}

func TestReplayOfAVector(t *testing.T) {
	t.Parallel()
	file := write(t, "shop.csv", shop())
	charts := filepath.Join(t.TempDir(), "charts")
	flags := []string{"-d", "mahalanobis", "--clean", "ok", "-p", "budget=4"}
	got := replayedLines(t, append(flags, file, "--kind", "joint", "--last", "8d", "--plot", charts)...)
	if len(got) != 1 || len(got[0].Episodes) == 0 || math.Abs(got[0].Weeks-8.0/7) > 0.01 {
		t.Fatalf("%+v", got)
	}
	var starts []string
	broke := 0
	for _, e := range got[0].Episodes {
		starts = append(starts, e.Began)
		if e.Kind == "correlation" && strings.HasPrefix(e.Reason, "The correlation broke") && e.Direction == "" {
			broke++
		}
	}
	if want := began(t, 0, append([]string{"joint", file}, flags...)...); !slices.Equal(starts, want) || broke == 0 {
		t.Errorf("%d broken correlations; the replay raises %v, joint %v", broke, starts, want)
	}
	if drawn, err := os.ReadFile(filepath.Join(charts, "001-shop.png")); err != nil || !strings.HasPrefix(string(drawn), "\x89PNG") {
		t.Errorf("chart: %v", err)
	}
	rows := foreshock(t, "", append(append([]string{"replay", file}, flags...), "--kind", "joint", "--last", "8d", "--format", "csv", "-q")...)
	if !strings.HasPrefix(rows.out, "series,began,confirmed,ended,kind,peak,peak_at,contributions,right,reason\n") || strings.Count(rows.out, "\n") != len(starts)+1 {
		t.Errorf("rows:\n%s%s", rows.out, rows.errors)
	}
}

func TestReplayOfAFleet(t *testing.T) {
	t.Parallel()
	file := fleetFile(t)
	got := replayedLines(t, file, "--kind", "peers", "--last", "8d", "--label", "broken", "-p", "budget=4")
	if len(got) != 4 || !strings.HasSuffix(got[2].Series, "fleet.csv: web-3") {
		t.Fatalf("%+v", got)
	}
	hits := 0
	var starts []string
	for i, one := range got {
		for _, e := range one.Episodes {
			starts = append(starts, e.Began)
			if e.Right == "hit" && i == 2 {
				hits++
			}
		}
	}
	slices.Sort(starts)
	if len(got[2].Incidents) != 1 || !got[2].Incidents[0].Hit || hits != 1 {
		t.Errorf("web-3: %+v", got[2])
	}
	want := began(t, 1, "peers", file, "-p", "budget=4", "--value", "web-1", "--value", "web-2", "--value", "web-3", "--value", "web-4")
	if !slices.Equal(starts, want) {
		t.Errorf("the replay raises %v, peers %v", starts, want)
	}
}

// The search prints a rule and a query of the kind that was replayed, in both languages.
func TestReplaySearchOfSeveral(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "zh-Hans"} {
		got := foreshock(t, "", "--lang", lang, "replay", fleetFile(t), "--kind", "peers", "--last", "3d", "--budget", "4/week", "--value", "web-1", "--value", "web-2", "--value", "web-3")
		if got.code != 0 || !strings.Contains(got.out, "    kind: \"peers\"\n    expr: \"my_metric\"\n    detector: \"mad\"\n") || !strings.Contains(got.out, `{"kind":"peers","expr":"my_metric",`) || strings.Contains(got.out, "cli.") {
			t.Errorf("%+v", got)
		}
	}
}

func TestSelftestOfSeveral(t *testing.T) {
	t.Parallel()
	got := foreshock(t, shop(), "selftest", "-", "--kind", "joint", "-d", "mahalanobis", "--clean", "ok", "--value", "requests", "--value", "load", "--last", "3d", "--quick")
	if got.code != 0 || !strings.Contains(got.out, "stdin: requests") || !strings.Contains(got.out, "stdin: load") || strings.Contains(got.out, "cli.") {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.errors)
	}
	got = foreshock(t, "", "selftest", fleetFile(t), "--kind", "peers", "--label", "broken", "--last", "3d", "--quick", "--format", "json")
	if got.code != 0 || strings.Count(got.out, `"outcome":"passed"`) != 4 {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.errors)
	}
}

func TestLookbackOfSeveralRefuses(t *testing.T) {
	t.Parallel()
	file := write(t, "shop.csv", shop())
	single := write(t, "single.csv", "timestamp,load\n1767225600,1\n1767225900,2\n")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{file, "--kind", "vector"}, `--kind: got "vector", want one of series, joint, peers`},
		{[]string{file}, "got 4 value columns (requests, load, failures, ok), want one: pick it with --value, or take all of them with --kind joint or peers"},
		{[]string{single, "--kind", "joint"}, "got 1 value columns (load), want at least 2 with --kind joint"},
		{[]string{file, "--kind", "peers", "--value", "load", "--value", "ok"}, "got 2 value columns (load, ok), want at least 3 with --kind peers"},
		{[]string{file, "--kind", "joint", "-d", "seasonal"}, `unknown joint detector "seasonal": want one of auto, dbscan, iforest, kmeans, mahalanobis, pca; "seasonal" is a detector of the kind series`},
		{[]string{file, "-d", "mahalanobis"}, `"mahalanobis" is a detector of the kind joint`},
		{[]string{file, "--kind", "joint", "--policy", "direction=up"}, `--policy: parameter "direction": got "up", want both`},
		{[]string{file, "--group-by", "job"}, `--group-by: got "job" with --kind series, want --kind joint or peers`},
		{[]string{"--kind", "peers", "--dimension", "a=b"}, `--dimension: got "a=b" with --kind peers, want --kind joint`},
		{[]string{"--kind", "joint", "--dimension", "a=b"}, "got --dimension without --prometheus.url, want both"},
		{[]string{"--kind", "joint", "--dimension", "a=b", "--dimension", "a=c"}, `--dimension: "a" is given twice`},
		{[]string{"--kind", "joint", "--dimension", "a=b", "--query", "c", "--prometheus.url", "http://127.0.0.1:1"}, "got --query and --dimension, want either"},
		{[]string{file, "--kind", "joint", "--last", "1m"}, "--last: got 1m, want at least the step, which is 5m"},
		{[]string{file, "--kind", "joint", "--to", "2020-01-01T00:00:00Z"}, "--to: got 2020-01-01T00:00:00Z, but "},
	} {
		for _, command := range []string{"replay", "selftest"} {
			if got := foreshock(t, "", append([]string{command}, c.args...)...); got.code != 2 || !strings.Contains(got.errors, c.want) || strings.Count(strings.TrimSpace(got.errors), "\n") > 0 {
				t.Errorf("%s %v: exit code %d, %s, want %s", command, c.args, got.code, got.errors, c.want)
			}
		}
	}
	if !message.Has("cli.help.kind") || !message.Has("cli.note.unmatched") {
		t.Error("a text is missing")
	}
}
