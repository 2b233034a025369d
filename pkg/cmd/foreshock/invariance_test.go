package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// The order of the rows and the stretches in which a long series is judged change nothing.
func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(daily(unix)), "\n")
	want := map[string]string{}
	for _, r := range judged(t, daily(unix)) {
		want[r[0]] = strings.Join(r, ",")
	}
	rng := rand.New(rand.NewPCG(5, 5))
	rng.Shuffle(len(lines)-1, func(i, k int) { lines[i+1], lines[k+1] = lines[k+1], lines[i+1] })
	got := foreshock(t, strings.Join(lines, "\n"), "detect", "-")
	if !strings.Contains(got.errors, "not in order of time") {
		t.Errorf("the order is not mentioned: %s", got.errors)
	}
	for i, r := range records(t, got.out) {
		if stamp, _, _ := strings.Cut(lines[i+1], ","); r[0] != stamp {
			t.Fatalf("row %d: got %s, want %s: the order of the input", i, r[0], stamp)
		}
		if diff := cmp.Diff(want[r[0]], strings.Join(r, ",")); diff != "" {
			t.Fatalf("row of %s differs:\n%s", r[0], diff)
		}
	}
}

// Of several rows in one place only the last has the verdict: none is told what a later row showed.
func TestNoVerdictUsesLaterRows(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	lines := []string{"timestamp,value"}
	const n = 4 * 1440
	for i := range n {
		x := 50 + i%7
		if i%977 > 970 { // sudden, and within a place of five minutes
			x = 500
		}
		lines = append(lines, fmt.Sprintf("%s,%d", unix(begin+int64(i)*60_000), x))
	}
	args := []string{"-d", "mean", "--step", "5m", "--train", "1d", "--min-train", "1d", "-q"}
	whole := judged(t, strings.Join(lines, "\n"), args...)
	merged := 0
	for _, row := range whole {
		if row[8] == "merged" {
			merged++
			if diff := cmp.Diff([]string{"", "", "", "", "", "0"}, row[2:8]); diff != "" {
				t.Fatalf("merged row %v has a verdict:\n%s", row, diff)
			}
		}
	}
	if merged < n*3/4 || merged > n*5/6 {
		t.Errorf("%d of %d rows are merged, want four of five", merged, n)
	}
	// What is told of a row is told of it when it is the last one, too.
	for _, end := range []int{n - 1, n - 2, n - 3, n - 4, n - 5, 3 * 1440, 977*5 + 972, 977*5 + 974} {
		cut := judged(t, strings.Join(lines[:end+1], "\n"), args...)
		for i, row := range cut {
			if whole[i][8] == "merged" {
				continue
			}
			if diff := cmp.Diff(row, whole[i]); diff != "" {
				t.Fatalf("row %d changes when rows follow after %d (-without +with):\n%s", i, end, diff)
			}
		}
	}
}

// The output does not depend on how many stretches are judged at once, that is on the number of cores.
func TestPartsDoNotMatter(t *testing.T) {
	t.Parallel()
	const step, n = int64(300_000), 12 * 288
	s := series.New(nil, series.Grid{Step: step, N: n})
	for i := range s.Values {
		s.Values[i] = float64(50 + i%7)
		if i > 288 && i%29 < 7 { // an episode ends, and another begins, in and at the edge of many stretches
			s.Values[i] = 500
		}
	}
	judge := detect.Judge{Name: "mean", Detector: &mean{Width: 300}, Walk: detect.DefaultWalk(), Policy: detect.DefaultPolicy()}
	hour := registry.Duration(time.Hour)
	judge.Walk.Step, judge.Walk.Train, judge.Walk.Refit, judge.Walk.MinTrain, judge.Policy.Horizon = hour/12, 6*hour, hour, hour, 2*hour
	read := func(workers int) ([]detect.Episode, detect.Verdicts, int) {
		found, stop := newLookup(parts(t.Context(), judge, s, series.Series{}, workers), true)
		defer stop()
		for {
			more, err := found.take()
			if err != nil {
				t.Fatal(err)
			}
			if !more {
				return found.episodes, joined(found.held), len(found.held)
			}
		}
	}
	episodes, verdicts, _ := read(1)
	if len(episodes) < 50 {
		t.Fatalf("only %d episodes", len(episodes))
	}
	for workers := 2; workers <= 28; workers++ {
		gotEpisodes, gotVerdicts, stretches := read(workers)
		if stretches < 2 {
			t.Fatalf("%d workers judged in %d stretch", workers, stretches)
		}
		if diff := cmp.Diff(episodes, gotEpisodes, cmpopts.EquateNaNs()); diff != "" {
			t.Fatalf("%d stretches: episodes differ from those of one (-one +many):\n%s", stretches, diff)
		}
		if diff := cmp.Diff(verdicts.Anomalous, gotVerdicts.Anomalous); diff != "" {
			t.Fatalf("%d stretches: verdicts differ from those of one (-one +many):\n%s", stretches, diff)
		}
	}
}

// Steps so coarse that the default horizon holds too few of them alarm all the same, and what was done for it is told.
func TestCoarseSteps(t *testing.T) {
	t.Parallel()
	for _, hours := range []int{6, 12, 24} {
		lines := []string{"timestamp,value"}
		for i := range 200 {
			x := 50 + i%7
			if i >= 150 && i < 154 {
				x = 500
			}
			lines = append(lines, fmt.Sprintf("%d,%d", i*hours*3600, x))
		}
		input := strings.Join(lines, "\n")
		for _, step := range []string{"auto", fmt.Sprintf("%dh", hours)} {
			got := foreshock(t, input, "detect", "-", "-d", "mean", "--step", step, "--format", "intervals")
			if rows := records(t, got.out); got.code != 0 || len(rows) != 1 {
				t.Errorf("%d h, --step %s: got %d, %d episodes, want one: %s", hours, step, got.code, len(rows), got.errors)
			}
			if !strings.Contains(got.errors, "horizon is "+registry.Duration(time.Duration(10*hours)*time.Hour).String()) {
				t.Errorf("%d h, --step %s: the longer horizon is not told: %s", hours, step, got.errors)
			}
			got = foreshock(t, input, "detect", "-", "-d", "mean", "--step", step, "--policy", "horizon=1d")
			if got.code != 2 || !strings.Contains(got.errors, `parameter "horizon": got 1d, want at least (m + recover_samples) × step`) {
				t.Errorf("%d h, --step %s, a horizon that was given: got %d, %s", hours, step, got.code, got.errors)
			}
		}
	}
}
