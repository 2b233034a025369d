package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func init() {
	detect.Detectors.Add(registry.Entry[detect.Detector]{Name: "mean", Summary: "For tests.", New: func() detect.Detector { return &mean{Width: 30} }})
}

// mean is a detector that never changes, for golden files that only a change of the command line breaks: the mean of the window, and a fixed width.
type mean struct {
	Width float64 `json:"width" min:"1"`
}

func (*mean) Validate() error { return nil }

func (*mean) Catches() detect.Kinds { return detect.Spike }

func (d *mean) Fit(train detect.Train) (detect.Model, error) {
	sum, n := 0.0, 0.0
	for _, x := range train.Series.Values {
		if !math.IsNaN(x) {
			sum, n = sum+x, n+1
		}
	}
	return meanModel{math.Round(sum / n), d.Width}, nil
}

type meanModel struct{ centre, width float64 }

func (m meanModel) MarshalBinary() ([]byte, error) { return nil, nil }

func (m meanModel) Score(window series.Series, warmup int) (detect.Result, error) {
	r := detect.NewResult(window.Grid.N - warmup)
	for i := range r.Score {
		x := window.Values[warmup+i]
		r.Expected[i], r.Lower[i], r.Upper[i] = m.centre, m.centre-m.width, m.centre+m.width
		r.Score[i] = math.Abs(x-m.centre) / m.width
		if math.IsNaN(x) {
			r.State[i] = detect.Gap
		}
	}
	return r, nil
}

// outcome is what one run of the program left.
type outcome struct {
	code        int
	out, errors string
}

// foreshock runs the program within the test.
func foreshock(t testing.TB, stdin string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	p := program{stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs, getenv: func(string) string { return "" }}
	return outcome{p.run(context.Background(), args), out.String(), errs.String()}
}

// judged runs detect on a text and returns its rows without the header.
func judged(t testing.TB, input string, args ...string) [][]string {
	t.Helper()
	got := foreshock(t, input, append([]string{"detect", "-"}, args...)...)
	if got.code != 0 {
		t.Fatalf("exit code %d: %s", got.code, got.errors)
	}
	return records(t, got.out)
}

func records(t testing.TB, text string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
