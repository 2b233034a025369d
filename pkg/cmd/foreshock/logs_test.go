package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const someLog = "session opened for alice on tty1\nConnection from 10.0.0.7 port 4711\n\nConnection from 10.0.0.9 port 99\r\nsession closed for alice on tty1"

// A line in, a line out: also for empty ones, and for the last one without an end.
func TestLogsParse(t *testing.T) {
	t.Parallel()
	want := []string{"session opened for alice on tty1", "Connection from <*> port <*>", "", "Connection from <*> port <*>", "session closed for alice on tty1"}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, someLog)
	z.Close()
	for _, c := range []struct {
		what, stdin string
		args        []string
	}{
		{"standard input", someLog, []string{"-"}},
		{"stream", someLog, []string{"-", "--stream"}},
		{"file", "", []string{write(t, "app.log", someLog)}},
		{"gzip", "", []string{write(t, "app.log.gz", zipped.String())}},
	} {
		got := foreshock(t, c.stdin, append([]string{"logs", "parse"}, c.args...)...)
		if got.code != 0 {
			t.Fatalf("%s: exit code %d: %s", c.what, got.code, got.errors)
		}
		var texts []string
		for line := range strings.Lines(got.out) {
			id, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			if !ok || len(id) != 16 {
				t.Errorf("%s: %q is no id and template", c.what, line)
			}
			texts = append(texts, text)
		}
		if d := cmp.Diff(want, texts); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, d)
		}
		if !strings.Contains(got.errors, "5 lines, 4 templates") {
			t.Errorf("%s: totals %q", c.what, got.errors)
		}
	}
}

// Without --stream every line has the template that it has in the end.
func TestLogsParseWhole(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, w := range []string{"red", "green", "blue", "violet", "yellow"} {
		fmt.Fprintf(&b, "the light of the lamp is %s now\n", w)
	}
	got := foreshock(t, b.String(), "logs", "parse", "-", "-q")
	if lines := strings.Split(strings.TrimSpace(got.out), "\n"); len(lines) != 5 || lines[0] != lines[4] || !strings.HasSuffix(lines[0], "is <*> now") {
		t.Errorf("got %q", got.out)
	}
	got = foreshock(t, b.String(), "logs", "parse", "-", "-q", "--protect", "red", "--format", "json")
	var first struct {
		Text  string `json:"template"`
		Count int    `json:"count"`
	}
	if err := json.Unmarshal([]byte(strings.SplitN(got.out, "\n", 2)[0]), &first); err != nil || first.Text != "the light of the lamp is <*> now" || first.Count != 4 {
		t.Errorf("with a protected word: %+v, %v, %s", first, err, got.out)
	}
	got = foreshock(t, "order abc shipped\norder xyz shipped\n", "logs", "parse", "-", "-q", "--mask", "abc|xyz", "--format", "templates")
	if !strings.HasSuffix(got.out, "\t2\torder <*> shipped\n") {
		t.Errorf("with a mask: %q", got.out)
	}
}

// Sessions of a workflow: verdicts on others, from lines of events and from a raw log.
func TestLogsScore(t *testing.T) {
	t.Parallel()
	var train, raw strings.Builder
	for i := range 60 {
		fmt.Fprintf(&train, "s%d,1 2%s 3\n", i, strings.Repeat(" 7", i%3))
		fmt.Fprintf(&raw, "req=%04d begin\nother line\nreq=%04d work\nreq=%04d end\n", i, i, i)
	}
	a := write(t, "train.txt", train.String())
	b := write(t, "test.txt", "good,1 2 7 3\nbad,1 2 99 3\ncut,1\n")
	got := foreshock(t, "", "logs", "score", "--train", a, "--test", b)
	rows := records(t, got.out)
	if len(rows) != 3 || rows[0][2] != "0" || rows[1][2] != "1" || rows[1][3] != "2" || rows[1][4] != "99" || rows[2][2] != "1" || rows[2][3] != "1" {
		t.Errorf("got %d: %s%s", got.code, got.out, got.errors)
	}
	got = foreshock(t, "", "logs", "score", "--train", write(t, "raw.log", raw.String()), "--test", write(t, "new.log", "req=9001 begin\nreq=9001 work\nreq=9002 begin\nreq=9001 end\n"), "--session", `req=(\d+)`)
	rows = records(t, got.out)
	if len(rows) != 2 || rows[0][0] != "9001" || rows[0][2] != "0" || rows[1][2] != "1" {
		t.Errorf("raw log: got %d: %s%s", got.code, got.out, got.errors)
	}
	got = foreshock(t, "", "logs", "score", "--train", a, "--abnormal", write(t, "bad.txt", "1 2 99 3\n1\n2 2 2\n"), "-d", "all", "--splits", "3", "--ratio", "10", "--format", "json")
	found := map[string]float64{}
	for line := range strings.Lines(got.out) {
		var r struct {
			Detector string  `json:"detector"`
			F1       float64 `json:"f1"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		found[r.Detector] = r.F1
	}
	// Everything flagged: 3 found, 30 normal ones at weight 10 × 3 / 30.
	if len(found) != 6 || found["flag everything"] != 2*3.0/(3+30+3) || found["auto"] != 1 {
		t.Errorf("table: %v\n%s", found, got.errors)
	}
}

// Sessions of three parts: each part is a phase, in order.
func TestLogsPhases(t *testing.T) {
	t.Parallel()
	var train strings.Builder
	for i := range 60 {
		fmt.Fprintf(&train, "s%d,in%s look%s out\n", i, strings.Repeat(" in", i%2), strings.Repeat(" look", i%3))
	}
	a := write(t, "train.txt", train.String())
	b := write(t, "test.txt", "whole,in"+strings.Repeat(" look", 2)+" out\nlong,in"+strings.Repeat(" in", 2)+" look out\n")
	got := foreshock(t, "", "logs", "phases", "--train", a, "--test", b, "-p", "states=3")
	want := [][]string{
		{"whole", "0", "1", "in"},
		{"whole", "1", "2", "look"},
		{"whole", "2", "2", "look"},
		{"whole", "3", "3", "out"},
		{"long", "0", "1", "in"},
		{"long", "1", "1", "in"},
		{"long", "2", "1", "in"},
		{"long", "3", "2", "look"},
		{"long", "4", "3", "out"},
	}
	if d := cmp.Diff(want, records(t, got.out)); d != "" {
		t.Errorf("exit code %d, %s (-want +got):\n%s", got.code, got.errors, d)
	}
	got = foreshock(t, "", "logs", "phases", "--train", a, "-p", "states=3", "--format", "phases")
	want = [][]string{{"1", "60", "0.333", "90 × in"}, {"2", "60", "0.444", "120 × look"}, {"3", "60", "0.222", "60 × out"}}
	if d := cmp.Diff(want, records(t, got.out)); d != "" {
		t.Errorf("exit code %d, %s (-want +got):\n%s", got.code, got.errors, d)
	}
}

// What follows what, from raw lines, in all three forms; texts are data in each.
func TestLogsFlow(t *testing.T) {
	t.Parallel()
	var raw strings.Builder
	for i := range 20 {
		fmt.Fprintf(&raw, "req=%04d say \"hi\\\"\n", i)
		if i < 15 {
			fmt.Fprintf(&raw, "req=%04d work\n", i)
		}
	}
	a := write(t, "raw.log", raw.String())
	args := []string{"logs", "flow", "--train", a, "--session", `req=(\d+)`}
	got := foreshock(t, "", args...)
	say, work := `req=<*> say "hi\"`, "req=<*> work"
	want := [][]string{{"begin", say, "20", "1.0000"}, {say, work, "15", "0.7500"}, {say, "end", "5", "0.2500"}, {work, "end", "15", "1.0000"}}
	if d := cmp.Diff(want, records(t, got.out)); d != "" {
		t.Errorf("exit code %d, %s (-want +got):\n%s", got.code, got.errors, d)
	}
	got = foreshock(t, "", append(args, "--least", "0.3")...)
	if rows := records(t, got.out); len(rows) != 3 {
		t.Errorf("without rare edges: %q", rows)
	}
	got = foreshock(t, "", append(args, "--format", "dot")...)
	if !strings.HasPrefix(got.out, "digraph flow {\n") || !strings.Contains(got.out, `label="req=<*> say \"hi\\\""`) || !strings.Contains(got.out, `n2 -> n3 [label="15 (75 %)"]`) {
		t.Errorf("for Graphviz: %s", got.out)
	}
	got = foreshock(t, "", append(args, "--format", "json")...)
	var graph struct {
		Nodes []struct{ Event string }
		Edges []struct{ From, To, Count int }
	}
	if err := json.Unmarshal([]byte(got.out), &graph); err != nil || len(graph.Nodes) != 4 || graph.Nodes[2].Event != say || len(graph.Edges) != 4 || graph.Edges[1].Count != 15 {
		t.Errorf("as JSON: %v %s", err, got.out)
	}
}

// A mistake is one sentence that names the flag, the value and what is allowed.
func TestLogsMistakes(t *testing.T) {
	t.Parallel()
	some := write(t, "some.txt", strings.Repeat("1 2 3\n", 20))
	missing := filepath.Join(t.TempDir(), "missing")
	for want, args := range map[string][]string{
		"got no input":                 {"parse"},
		"--format":                     {"parse", some, "--format", "xml"},
		"want lines":                   {"parse", some, "--format", "json", "--stream"},
		"siblings":                     {"parse", some, "-p", "siblings=1"},
		`unknown parameter "siblingz"`: {"parse", some, "-p", "siblingz=3"},
		"masks[0]":                     {"parse", some, "--mask", "("},
		"missing":                      {"parse", missing},
		"--train":                      {"score", "--test", some},
		"neither --test nor":           {"score", "--train", some},
		"unknown sequence detector":    {"score", "--train", some, "--test", some, "-d", "magic"},
		"budget":                       {"score", "--train", some, "--test", some, "-p", "budget=2"},
		"--session":                    {"score", "--train", some, "--test", some, "--session", "("},
		"too few sessions":             {"score", "--train", write(t, "few.txt", "1 2\n"), "--test", some},
		"lines without a session":      {"score", "--train", write(t, "empty.txt", "\n\n"), "--test", some},
		"line 1: got \"[notice] work":  {"score", "--train", write(t, "raw.log", strings.Repeat("[notice] worker init ok\n", 20)), "--test", some},
		"line 21: got \"[notice] a, b": {"score", "--train", write(t, "raw2.log", strings.Repeat("1 2 3\n", 20)+"[notice] a, b\n"), "--test", some},
		"--splits":                     {"score", "--train", some, "--abnormal", some, "--splits", "0"},
		"--format: got \"xml\"":        {"phases", "--train", some, "--format", "xml"},
		"a file of sessions to learn":  {"phases"},
		"states":                       {"phases", "--train", some, "-p", "states=0"},
		"want a file of sessions":      {"flow"},
		"--least":                      {"flow", "--train", some, "--least", "2"},
		"want a share from":            {"flow", "--train", some, "--least", "NaN"},
		"--ratio":                      {"score", "--train", some, "--abnormal", some, "--ratio", "-1"},
	} {
		got := foreshock(t, "", append([]string{"logs"}, args...)...)
		if got.code != 2 || !strings.Contains(got.errors, want) || strings.Count(got.errors, "\n") != 1 {
			t.Errorf("%v: exit code %d, %q, want 2 and %q", args, got.code, got.errors, want)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a file was made")
	}
}
