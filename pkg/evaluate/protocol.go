package evaluate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// The protocols.
const (
	// All fits on the whole judged part and may look at later samples: Judge.Review. It is how public leaderboards measure.
	All = "all"
	// Live is what an alert would have said: anchored fits on the past, the published training half as history, 0 in warm-up.
	Live = "live"
)

// Judging is how detectors are run.
type Judging struct {
	Protocol string
	// Walk is used as it is but for its step, which is that of each series. Defaults that are no multiple of the step are rounded up.
	Walk   detect.Walk
	Policy detect.Policy
}

// Answer is what a detector said about the judged rows of one series.
type Answer struct {
	// Level is one score per row and Onset the highest score at the row that confirms an episode; 0 where there is no verdict.
	Level, Onset []float64
	Streamed
	Took time.Duration
	// Refused is set when the detector found too little to learn from; all its scores are then 0.
	Refused bool
}

// judge returns the judge of a series of that step.
func (j Judging) judge(name string, d detect.Detector, step int64) detect.Judge {
	w, s := j.Walk, registry.Duration(step)*registry.Duration(time.Millisecond)
	w.Step = s
	w.Train = (w.Train + s - 1) / s * s
	w.Refit = (w.Refit + s - 1) / s * s
	p := j.Policy
	p.Horizon = max(p.Horizon, registry.Duration(p.M+p.Recover)*s)
	return detect.Judge{Name: name, Detector: d, Walk: w, Policy: p, Limits: detect.LimitsAbnormal}
}

// Univariate judges a series by a detector.
func (j Judging) Univariate(ctx context.Context, name string, d detect.Detector, l Labelled) (Answer, error) {
	laid := l.Lay(j.Protocol == Live)
	judge := j.judge(name, d, l.Step)
	var v detect.Verdicts
	var err error
	done := stopwatch()
	if j.Protocol == Live {
		v, err = judge.Series(ctx, laid.Series, laid.Series.Grid.At(laid.First), laid.Series.Grid.At(laid.Series.Grid.N-1))
	} else {
		v, err = judge.Review(laid.Series, 0)
	}
	o := Answer{Took: done()}
	if errors.Is(err, detect.ErrTooShort) {
		o = nothing(l)
		o.Refused = true
		return o, nil
	}
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %s/%s: %w", name, l.Set, l.Name, err)
	}
	laid = laid.from(v.Series)
	o.Level, o.Onset = laid.Rows(v.Score), laid.Rows(v.Onset)
	o.Streamed = streamed(Replay{Judge: Judge{Judge: judge}}.told(v, l.incidents()))
	return o, nil
}

// nothing is the outcome of a series that was not judged: all its events are missed.
func nothing(l Labelled) Answer {
	n := len(l.Values)
	return Answer{Level: make([]float64, n), Onset: make([]float64, n), Streamed: Streamed{Events: len(l.Events)}}
}

// from makes the places count from the beginning of the verdicts.
func (l Laid) from(s series.Series) Laid {
	shift := int((s.Grid.Start - l.Series.Grid.Start) / s.Grid.Step)
	out := Laid{Series: s, Place: make([]int, len(l.Place)), Merged: l.Merged}
	for i, k := range l.Place {
		out.Place[i] = k - shift
	}
	return out
}

// review makes a detector of a score that needs no model, so that floors get levels and episodes like everyone else.
type review struct {
	score func(values []float64) []float64
	l     Labelled
}

func (review) Validate() error { return nil }

func (review) Catches() detect.Kinds { return 0 }

func (review) Fit(detect.Train) (detect.Model, error) {
	return nil, fmt.Errorf("a floor has no model")
}

// Review scores the rows and puts the scores on the grid.
func (r review) Review(s series.Series, _ *time.Location) ([]float64, error) {
	out := series.New(s.Labels, s.Grid).Values
	laid := r.l.Lay(false)
	for i, x := range r.score(r.l.Values) {
		if !laid.Merged[i] {
			out[laid.Place[i]] = x
		}
	}
	return out, nil
}

// Floor judges a series by a floor. It is causal and needs no history, so that it is the same under both protocols; its threshold for episodes is calibrated on what it judges.
func (j Judging) Floor(f Floor, l Labelled) (Answer, error) {
	done := stopwatch()
	raw := f.Score(l.Values)
	took := done()
	o, err := Judging{All, j.Walk, j.Policy}.Univariate(context.Background(), f.Name, review{func([]float64) []float64 { return raw }, l}, l)
	o.Level, o.Took = raw, took
	return o, err
}
