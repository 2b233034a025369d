package evaluate

import (
	"context"
	"errors"
	"fmt"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// JointEntrant is a detector of vectors in a table.
type JointEntrant struct {
	Name     string
	Detector detect.Joint
}

// Multivariate judges the test part of an entity by a joint detector. Under All it learns from the train part and may look at the whole test part; episodes are those of
// its scores, calibrated on the test part. Under Live the train part is history.
func (j Judging) Multivariate(ctx context.Context, name string, d detect.Joint, v Vectors) (Answer, error) {
	var a Answer
	var err error
	if j.Protocol == Live {
		a, err = j.live(ctx, name, d, v)
	} else {
		a, err = j.reviewed(name, d, v)
	}
	if errors.Is(err, detect.ErrTooShort) {
		a = nothing(v.rows())
		a.Refused = true
		return a, nil
	}
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %s/%s: %w", name, v.Set, v.Name, err)
	}
	return a, nil
}

func (j Judging) live(ctx context.Context, name string, d detect.Joint, v Vectors) (Answer, error) {
	single := j.judge(name, nil, v.Step)
	judge := detect.JudgeJoint{Name: name, Detector: d, Walk: single.Walk, Policy: single.Policy}
	whole := v.vector(0, append(v.Train[:len(v.Train):len(v.Train)], v.Test...))
	done := stopwatch()
	found, err := judge.Vector(ctx, whole, series.Series{}, v.at(len(v.Train)), whole.Grid.At(whole.Grid.N-1))
	a := Answer{Took: done()}
	if err != nil {
		return a, err
	}
	laid := v.rows().Lay(false)
	a.Level, a.Onset = laid.Rows(found.Score), laid.Rows(found.Onset)
	a.Streamed = streamed(Replay{Judge: Judge{Judge: single}}.told(found.Verdicts, v.rows().incidents()))
	return a, nil
}

func (j Judging) reviewed(name string, d detect.Joint, v Vectors) (Answer, error) {
	loc, err := j.Walk.Location()
	if err != nil {
		return Answer{}, err
	}
	train := detect.JointTrain{Vector: v.vector(0, v.Train), Zone: loc, N: j.Policy.N, M: j.Policy.M}
	test := v.vector(len(v.Train), v.Test)
	done := stopwatch()
	var raw []float64
	if r, ok := d.(detect.JointReviewer); ok {
		if raw, err = r.Review(train, test); err != nil {
			return Answer{}, err
		}
	} else {
		m, err := d.Fit(train)
		if err != nil {
			return Answer{}, err
		}
		r, err := m.Score(test, 0)
		if err != nil {
			return Answer{}, err
		}
		raw = r.Score
	}
	took := done()
	a, err := j.scored(name, raw, v)
	a.Took = took
	return a, err
}

// FloorOfVectors judges the test part of an entity by a floor.
func (j Judging) FloorOfVectors(f Floor, v Vectors) (Answer, error) {
	done := stopwatch()
	raw := f.overVectors(v)
	took := done()
	a, err := j.scored(f.Name, raw, v)
	a.Took = took
	return a, err
}

// scored makes episodes of one score per row of the test part. A vector has no value that has to change by so much.
func (j Judging) scored(name string, raw []float64, v Vectors) (Answer, error) {
	j.Policy.MinAbs, j.Policy.MinRel = 0, 0
	return j.Floor(Floor{Name: name, Score: func([]float64) []float64 { return raw }}, v.rows())
}

// vector returns rows as a vector whose first point is that row, counted from the first of the train part.
func (v Vectors) vector(first int, rows [][]float64) series.Vector {
	labels := series.FromMap(map[string]string{"set": v.Set, "file": v.Name})
	out := series.NewVector(labels, series.Grid{Start: v.at(first), Step: v.Step, N: len(rows)}, v.Channels...)
	for i, row := range rows {
		for d, x := range row {
			out.Values[d][i] = x
		}
	}
	return out
}

// rows is the test part without its vectors, for what only looks at rows. Values are the first channel's.
func (v Vectors) rows() Labelled {
	l := Labelled{
		Set: v.Set, Name: v.Name, Label: v.Label, Events: v.Events, Step: v.Step, Buffer: v.Buffer,
		Values: make([]float64, len(v.Test)), Times: make([]int64, len(v.Test)),
	}
	for i, row := range v.Test {
		l.Values[i], l.Times[i] = row[0], v.at(len(v.Train)+i)
	}
	return l
}

// at is the time of a row, counted from the first of the train part.
func (v Vectors) at(row int) int64 { return series.Floor(from, v.Step) + int64(row)*v.Step }
