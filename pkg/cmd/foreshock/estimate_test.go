package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func rulesFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "detectors.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What is told of a rule follows from its walk, its interval and the number of its series.
func TestEstimateOfMadeUpSeries(t *testing.T) {
	t.Parallel()
	file := rulesFile(t, "rules:\n  - {name: a, expr: up, detector: seasonal}\n  - {name: b, expr: up, detector: mad, step: 5m, interval: 10m, max_series: 50}\n")
	got := foreshock(t, "", "estimate", file, "--series", "200", "--sample", "2", "--format", "json")
	if got.code != 0 {
		t.Fatal(got.errors)
	}
	type one struct {
		Rule        string
		Series      int
		Synthetic   bool
		Fit         float64 `json:"fit_seconds"`
		Score       float64 `json:"score_seconds"`
		Fits        float64 `json:"fits_per_day"`
		Evaluations float64 `json:"evaluations_per_day"`
		Cores       float64
		FitBytes    int64 `json:"fit_bytes"`
		SampleBytes int64 `json:"sample_bytes"`
	}
	var rules []one
	for d := json.NewDecoder(strings.NewReader(got.out)); d.More(); {
		var r one
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		rules = append(rules, r)
	}
	a, b := rules[0], rules[1]
	if a.Series != 200 || b.Series != 50 || a.Fits != 200 || a.Evaluations != 1440 || b.Evaluations != 144 || !a.Synthetic {
		t.Errorf("%+v", rules)
	}
	if want := 200 * (a.Fit + 1440*a.Score) / 86400; a.Cores < 0.999*want || a.Cores > 1.001*want || a.Fit <= 0 || a.Score <= 0 || a.FitBytes < 200*256 {
		t.Errorf("%+v: want %v cores", a, want)
	}
	if days := float64(a.SampleBytes) / 200 / 8 / 1440; days < 9 || days > 9.1 { // train, refit and horizon
		t.Errorf("samples of %v days are kept", days)
	}
	for _, lang := range []string{"en", "zh-Hans"} {
		table := foreshock(t, "", "--lang", lang, "estimate", file, "--series", "20", "--sample", "1")
		if table.code != 0 || strings.Contains(table.out, "cli.") || strings.Count(table.out, "\n") < 7 {
			t.Errorf("%+v", table)
		}
	}
}

func TestEstimateRefuses(t *testing.T) {
	t.Parallel()
	file := rulesFile(t, "rules: [{name: a, expr: up}]")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{file}, "got neither a server nor --series"},
		{[]string{file, "--series=-1"}, "--series, --sample: got -1"},
		{[]string{rulesFile(t, "rules: [{name: a, expr: up, steps: 1m}]"), "--series", "1"}, `unknown field "steps"`},
		{[]string{file, "--series", "1", "--format", "xml"}, `--format: got "xml"`},
	} {
		got := foreshock(t, "", append([]string{"estimate"}, tt.args...)...)
		if got.code != 2 || !strings.Contains(got.errors, tt.want) {
			t.Errorf("%v: %d %s", tt.args, got.code, got.errors)
		}
	}
}

// Vectors and fleets are estimated as a whole, and checked with all of their expressions.
func TestEstimateOfOtherKinds(t *testing.T) {
	t.Parallel()
	file := rulesFile(t, `
rules:
  - {name: shop, kind: joint, detector: mahalanobis, dimensions: {a: up, b: up, c: up, d: up}, clean: up > 0}
  - {name: fleet, kind: peers, expr: up, group_by: [job]}
`)
	got := foreshock(t, "", "estimate", file, "--series", "20", "--sample", "1", "--format", "json")
	if got.code != 0 {
		t.Fatal(got.errors)
	}
	rows := map[string]float64{"shop": 4, "fleet": 10} // of a made-up fleet
	for d := json.NewDecoder(strings.NewReader(got.out)); d.More(); {
		var r struct {
			Rule        string
			Series      int
			Fit         float64 `json:"fit_seconds"`
			SampleBytes float64 `json:"sample_bytes"`
		}
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if days := r.SampleBytes / 20 / 8 / 1440 / rows[r.Rule]; r.Series != 20 || !(r.Fit > 0) || days < 9 || days > 9.1 {
			t.Errorf("%+v: %v days of each series", r, days)
		}
	}
	if got := foreshock(t, "", "check", file); got.code != 0 || !strings.Contains(got.out, "2 rules") {
		t.Errorf("check: %s%s", got.out, got.errors)
	}
	bad := rulesFile(t, "rules:\n  - {name: shop, kind: joint, dimensions: {a: up, b: 'sum('}}\n")
	if got := foreshock(t, "", "check", bad); got.code != 2 || !strings.Contains(got.errors, `field "dimensions.b"`) {
		t.Errorf("check of a broken dimension: exit code %d, %s", got.code, got.errors)
	}
}
