package detect

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/series"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Every registered detector has a page, and a proof: its verdicts on a day with a spike, a drop and a shift, which change only when somebody means them to.
func TestProofs(t *testing.T) {
	t.Parallel()
	for _, name := range Detectors.Names() {
		e, _ := Detectors.Get(name)
		if e.Summary == "" || e.Source == "" {
			t.Errorf("%s has no summary or no source", name)
		}
		page, err := os.ReadFile(filepath.Join("..", "..", "docs", "algorithms", name+".md"))
		if err != nil {
			t.Errorf("%s has no page: %v", name, err)
		}
		for _, want := range []string{"# " + name + "\n", "## What it catches", "## What it does not catch", "## Sources"} {
			if !bytes.Contains(page, []byte(want)) {
				t.Errorf("docs/algorithms/%s.md lacks %q", name, strings.TrimSpace(want))
			}
		}
		file := filepath.Join("testdata", name+".csv")
		got := proof(t, name)
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%s has no proof: %v (go test ./pkg/detect -run Proofs -update)", name, err)
			continue
		}
		compare(t, name, got, want)
	}
}

// proof judges one day of the first fixture with a spike at 6:00, a drop at 12:00 and a shift from 18:00 on, every tenth minute.
func proof(t *testing.T, name string) []byte {
	t.Helper()
	s := fixtures()[0].s
	values := append([]float64(nil), s.Values...)
	day := 10 * 24 * 60
	for i := day; i < day+24*60; i++ {
		switch m := i - day; {
		case m >= 360 && m < 370:
			values[i] += 360
		case m >= 720 && m < 730:
			values[i] -= 360
		case m >= 1080:
			values[i] += 360
		}
	}
	d, err := Detectors.New(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	j := Judge{Name: name, Detector: d, Walk: DefaultWalk(), Policy: DefaultPolicy()}
	v, err := j.Series(context.Background(), series.Series{Labels: s.Labels, Grid: s.Grid, Values: values}, s.Grid.At(day), s.Grid.At(day+24*60-1))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, "minute,value,expected,lower,upper,score,onset,anomalous,state")
	for i := 0; i < len(v.Score); i += 10 {
		fmt.Fprintf(&b, "%d,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%t,%s\n", i, v.Series.Values[i], v.Expected[i], v.Lower[i], v.Upper[i], v.Score[i], v.Onset[i], v.Anomalous[i], v.State[i])
	}
	return b.Bytes()
}

// compare holds numbers to a relative 1e-5, since the last digits differ between processors, and all else to the letter.
func compare(t *testing.T, name string, got, want []byte) {
	t.Helper()
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	if len(g) != len(w) {
		t.Errorf("%s: %d rows, want %d", name, len(g), len(w))
		return
	}
	for i := range g {
		gc, wc := strings.Split(g[i], ","), strings.Split(w[i], ",")
		for k := range wc {
			var a, b float64
			if _, err := fmt.Sscan(wc[k], &b); err == nil && len(gc) == len(wc) {
				if _, err := fmt.Sscan(gc[k], &a); err == nil && math.Abs(a-b) <= 1e-5*math.Abs(b) {
					continue
				}
			}
			if len(gc) != len(wc) || gc[k] != wc[k] {
				t.Errorf("%s row %d:\n%s, want\n%s", name, i, g[i], w[i])
				return
			}
		}
	}
}
