package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/evaluate"
)

// labelledDir holds a set "wsd" of two series of ten days with an anomaly in their second half, and one without.
func labelledDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "wsd"), 0o755); err != nil {
		t.Fatal(err)
	}
	var manifest []map[string]any
	for k, name := range []string{"1", "2", "quiet"} {
		f, err := os.Create(filepath.Join(dir, "wsd", name+".csv.gz"))
		if err != nil {
			t.Fatal(err)
		}
		z := gzip.NewWriter(f)
		fmt.Fprintln(z, "timestamp,value,label")
		const n = 10 * 288
		for i := range n {
			label, x := 0, 100+20*math.Sin(2*math.Pi*float64(i)/288)+float64((i*7919+k)%101)/50
			if i >= 2500 && i < 2512 && name != "quiet" {
				label, x = 1, x+80
			}
			fmt.Fprintf(z, "%d,%g,%d\n", 1700000100+i*300, x, label)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		f.Close()
		manifest = append(manifest, map[string]any{"path": "wsd/" + name + ".csv.gz", "train_rows": n / 2})
	}
	raw, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	dir := labelledDir(t)
	for _, protocol := range []string{"all", "live"} {
		got := foreshock(t, "", "evaluate", "--data", dir, "--sets", "wsd", "-d", "mean", "--protocol", protocol, "--format", "json")
		if got.code != 0 {
			t.Fatalf("exit code %d: %s", got.code, got.errors)
		}
		var rows []evaluate.Row
		if err := json.Unmarshal([]byte(got.out), &rows); err != nil {
			t.Fatal(err)
		}
		names := ""
		for _, r := range rows {
			names += r.Detector + " "
			if r.Files != 2 || r.Samples != 2*1440 || len(r.Each) != 2 {
				t.Errorf("%s: %s: %d files, %d samples, %d rows of files, want 2, 2880, 2: the second halves of the series with an anomaly", protocol, r.Detector, r.Files, r.Samples, len(r.Each))
			}
		}
		if names != "random (floor) constant (floor) seasonal_naive (floor) mean " {
			t.Errorf("%s: rows %s, want the floors and the detector", protocol, names)
		}
		last := rows[len(rows)-1]
		if last.VUSPR < 0.8 || *last.EventRecall != 1 || *last.EventPrecision != 1 || last.Episodes != 2 || last.FalsePerWeek != 0 || last.DelaySeconds != 600 {
			t.Errorf("%s: %+v, want both events found at their third sample, and nothing else", protocol, last)
		}
		if rows[0].VUSPR > 0.3 || rows[1].VUSPR > 0.3 {
			t.Errorf("%s: the floors have VUS-PR %.3f and %.3f, want little", protocol, rows[0].VUSPR, rows[1].VUSPR)
		}
		if n := strings.Count(got.errors, "\n"); n != 4 {
			t.Errorf("%s: %d lines of progress, want 4:\n%s", protocol, n, got.errors)
		}
	}
	text := foreshock(t, "", "evaluate", "--data", dir, "--sets", "wsd", "-d", "mean", "--format", "markdown", "-q")
	if text.errors != "" || !strings.Contains(text.out, "| detector | wsd (2) | mean |\n|---|---|---|\n| random (floor) | ") || !strings.Contains(text.out, "false/week") {
		t.Errorf("markdown:\n%s%s", text.out, text.errors)
	}
}

func TestEvaluateMistakes(t *testing.T) {
	t.Parallel()
	dir := labelledDir(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "--data: got no directory, want the one that holds nab, aiops_kpi, wsd, ucr, tods, smd, asd as folders"},
		{[]string{"--data", dir + "/none"}, dir + "/none is no directory"},
		{[]string{"--data", dir}, dir + " has no folder nab; leave it out with --sets"},
		{[]string{"--data", dir, "--sets", "wsd,wsd"}, `"wsd" is given twice`},
		{[]string{"--data", dir, "--sets", "yahoo"}, `--sets: got "yahoo", want one of nab,`},
		{[]string{"--data", dir, "-d", "magic"}, `unknown detector "magic"`},
		{[]string{"--data", dir, "-d", "mad,mean", "-p", "budget=2"}, "--param: got 2 detectors, want one"},
		{[]string{"--data", dir, "--protocol", "best"}, `--protocol: got "best", want one of all, live`},
		{[]string{"--data", dir, "--format", "html"}, `--format: got "html", want one of text, markdown, json`},
		{[]string{"--data", dir, "--limit=-1"}, "--limit: got -1, want at least 0"},
	} {
		got := foreshock(t, "", append([]string{"evaluate"}, c.args...)...)
		if got.code != 2 || !strings.Contains(got.errors, c.want) || strings.Count(got.errors, "\n") != 1 {
			t.Errorf("%v: code %d, %q, want 2 and %q", c.args, got.code, got.errors, c.want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "wsd", "1.csv.gz"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := foreshock(t, "", "evaluate", "--data", dir, "--sets", "wsd"); got.code != 2 || !strings.Contains(got.errors, "1.csv.gz") {
		t.Errorf("a broken file: code %d, %q, want 2 and its name", got.code, got.errors)
	}
}
