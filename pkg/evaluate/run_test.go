package evaluate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// plain is a series of 20 days at 5 minutes of which the second half is judged, with a spike of an hour.
func plain(name string) Labelled {
	const n = 20 * 288
	l := Labelled{Set: "made", Name: name, Step: 300_000, Buffer: 50}
	for i := range n {
		x := 100 + 20*math.Sin(2*math.Pi*float64(i)/288) + float64(i*7919%101)/50
		t := from + int64(i)*l.Step
		if i < n/2 {
			l.Past, l.PastTimes = append(l.Past, x), append(l.PastTimes, t)
			continue
		}
		wrong := i >= 4000 && i < 4012
		if wrong {
			x += 60
		}
		l.Values, l.Times, l.Label = append(l.Values, x), append(l.Times, t), append(l.Label, wrong)
	}
	l.Events = Ranges(l.Label)
	return l
}

// vectors is an entity of three channels that move together, but for an hour in which one does not.
func vectors(name string) Vectors {
	v := Vectors{Set: "joint", Name: name, Step: 300_000, Buffer: 50, Channels: []string{"a", "b", "c"}}
	for i := range 20 * 288 {
		x := math.Sin(2*math.Pi*float64(i)/288) + float64(i*7919%101)/200
		row := []float64{x, 2*x + float64(i*104729%103)/400, 1 - x}
		if i < 10*288 {
			v.Train = append(v.Train, row)
			continue
		}
		wrong := i >= 4000 && i < 4012
		if wrong {
			row[1] = 0.5 - x
		}
		v.Test, v.Label = append(v.Test, row), append(v.Label, wrong)
	}
	v.Events = Ranges(v.Label)
	return v
}

func TestRun(t *testing.T) {
	t.Parallel()
	seasonal, err := detect.Detectors.New("seasonal", nil)
	if err != nil {
		t.Fatal(err)
	}
	joint, err := detect.Joints.New("mahalanobis", nil)
	if err != nil {
		t.Fatal(err)
	}
	sets := []Set{{Name: "made", Series: []Labelled{plain("1"), plain("2")}}, {Name: "joint", Vectors: []Vectors{vectors("1")}}}
	for _, protocol := range []string{All, Live} {
		told := 0
		p := Plan{
			Judging: Judging{protocol, detect.DefaultWalk(), detect.DefaultPolicy()}, Sets: sets, Workers: 2, Progress: func(Row) { told++ },
			Entrants: []Entrant{{"seasonal", seasonal}, {"broken", broken{}}, {"short", broken{short: true}}}, Joints: []JointEntrant{{"mahalanobis", joint}},
		}
		rows, err := p.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 2*len(Floors)+4 || told != len(rows) {
			t.Fatalf("%s: %d rows, %d told, want %d", protocol, len(rows), told, 2*len(Floors)+4)
		}
		for _, r := range rows {
			switch {
			case r.Detector == "seasonal" || r.Detector == "mahalanobis":
				if r.VUSPR < 0.7 || *r.EventRecall != 1 || r.Episodes == 0 || r.DelaySeconds > 600 {
					t.Errorf("%s: %+v: want the event found by its third sample", protocol, r)
				}
			case r.Detector == "broken":
				if len(r.Failed) != 2 || !strings.Contains(r.Failed[0], "made/1") || *r.EventRecall != 0 {
					t.Errorf("%s: %+v: want both failures with the names of the series", protocol, r)
				}
			case r.Detector == "short" && protocol == All:
				if r.Refused != 2 || len(r.Failed) != 0 || *r.EventRecall != 0 {
					t.Errorf("%s: %+v: want both counted as too short", protocol, r)
				}
			}
			if r.Channels != map[string]int{"made": 0, "joint": 3}[r.Set] {
				t.Errorf("%s: %s has %d channels", protocol, r.Set, r.Channels)
			}
		}
		if err := Faults(rows); err == nil || strings.Count(err.Error(), "cannot be fitted") != 2 {
			t.Errorf("%s: %v, want two faults", protocol, err)
		}
		var text, markdown, object bytes.Buffer
		if err := errors.Join(WriteText(&text, rows), WriteMarkdown(&markdown, rows), WriteJSON(&object, rows)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"broken (failed: 2)", "| detector | made (2) | mean |", "| detector | joint (1) | mean |"} {
			if !strings.Contains(markdown.String(), want) {
				t.Errorf("%s: the table lacks %q:\n%s", protocol, want, markdown.String())
			}
		}
	}
}

// TestRunEnds: the table ends with its context, and tells nothing after it.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := Plan{Judging: Judging{All, detect.DefaultWalk(), detect.DefaultPolicy()}, Sets: []Set{{Name: "made", Series: []Labelled{plain("1")}}}, Progress: func(Row) { t.Error("a row was told") }}
	if rows, err := p.Run(ctx); !errors.Is(err, context.Canceled) || rows != nil {
		t.Errorf("%v, %v, want the context's error", rows, err)
	}
}

// TestSamePlan: workers and order change no figure but the time.
func TestSamePlan(t *testing.T) {
	t.Parallel()
	var before []Row
	for _, workers := range []int{1, 3} {
		mad, err := detect.Detectors.New("mad", nil)
		if err != nil {
			t.Fatal(err)
		}
		p := Plan{
			Judging: Judging{Live, detect.DefaultWalk(), detect.DefaultPolicy()}, Workers: workers, Entrants: []Entrant{{"mad", mad}},
			Sets: []Set{{Name: "made", Series: []Labelled{plain("1"), plain("2"), plain("3")}}},
		}
		rows, err := p.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			rows[i].MicrosPerSample = 0
		}
		if before != nil && fmt.Sprintf("%+v", values(before)) != fmt.Sprintf("%+v", values(rows)) {
			t.Errorf("%d workers:\n%+v, want\n%+v", workers, values(rows), values(before))
		}
		before = rows
	}
}

// values are the rows without pointers.
func values(rows []Row) []string {
	var out []string
	for _, r := range rows {
		p, q := r.EventPrecision, r.EventRecall
		r.EventPrecision, r.EventRecall = nil, nil
		text := fmt.Sprintf("%+v", r)
		for _, x := range []*float64{p, q} {
			if x != nil {
				text += fmt.Sprint(" ", *x)
			}
		}
		out = append(out, text)
	}
	return out
}

// broken is a detector that cannot be fitted.
type broken struct{ short bool }

func (broken) Validate() error { return nil }

func (broken) Catches() detect.Kinds { return 0 }

func (b broken) Fit(detect.Train) (detect.Model, error) {
	if b.short {
		return nil, fmt.Errorf("%w: for a test", detect.ErrTooShort)
	}
	return nil, errors.New("cannot be fitted")
}

// TestReviewOfFloor: the score of a floor lands on the grid where its rows are.
func TestReviewOfFloor(t *testing.T) {
	t.Parallel()
	l := plain("1")
	l.Times[5] = l.Times[4] // two rows in one place, and a gap behind them
	laid := l.Lay(false)
	got, err := review{func(v []float64) []float64 { return v }, l}.Review(laid.Series, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if !same(got[4], l.Values[5]) || got[5] == got[5] || got[6] != l.Values[6] {
		t.Errorf("%v, want the later of two rows, a gap, and the next", got[4:7])
	}
	if _, err := (review{}).Fit(detect.Train{Series: series.New(nil, laid.Series.Grid)}); err == nil {
		t.Error("a floor was fitted")
	}
}
