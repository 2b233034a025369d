package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func init() {
	Kinds.Add(registry.Entry[Kind]{
		Name:    "joint",
		Summary: "Judges several series as one vector, like response time, requests and failures of an application: which combination of values is unusual, and by which dimension.",
		Source:  "docs/plugin.md",
		New: func() Kind {
			return &jointQuery{detectQuery: detectQuery{Detector: "auto", Walk: detect.DefaultWalk(), policy: detect.DefaultPolicy(), Output: outputSeries}}
		},
	})
}

// jointQuery asks for verdicts over vectors. Their dimensions are named expressions, whose series belong together by labels, or the series of one expression.
type jointQuery struct {
	detectQuery
	GroupBy []string `json:"group_by" help:"Labels that tell the vectors apart, like application. With named dimensions none means all labels of their series; with one expression none makes one vector of all its series."`

	dimensions dimensions
	joint      detect.Joint
}

func (q *jointQuery) Parts() map[string]func(json.RawMessage) error {
	parts := q.detectQuery.Parts()
	parts["dimensions"] = func(raw json.RawMessage) error { return q.dimensions.read(raw) }
	return parts
}

// Validate checks what depends on several fields, and makes the detector.
func (q *jointQuery) Validate() error {
	if err := q.dimensions.check(q.Expr); err != nil {
		return err
	}
	if err := q.Walk.Validate(); err != nil {
		return err
	}
	if err := q.Walk.Fits(q.policy); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	if err := (detect.JudgeJoint{Policy: q.policy}).Validate(); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	var err error
	q.joint, err = detect.Joints.New(q.Detector, registry.FromJSON(q.params))
	q.working = q.joint
	return err
}

// Run fetches the samples of all dimensions, judges every vector, and writes the frames.
func (q *jointQuery) Run(ctx context.Context, r Request) (data.Frames, error) {
	exprs, whole, err := q.dimensions.expand(q.Expr, macros(q.Step, q.Train, r.Settings.TimeInterval))
	if err != nil {
		return nil, err
	}
	shown, err := q.shown(r)
	if err != nil {
		return nil, inputError{err}
	}
	o := &outcome{query: &q.detectQuery, request: r, expr: whole, shown: shown, joint: true}
	if shown.N > 0 {
		if err := o.runJoint(ctx, q, exprs); err != nil {
			return nil, err
		}
	}
	return o.all(), nil
}

func (o *outcome) runJoint(ctx context.Context, q *jointQuery, exprs []string) error {
	r := o.request
	var vectors []series.Vector
	err := o.ask(ctx, func() (err error) {
		vectors, err = o.vectors(ctx, q.dimensions.names(), exprs, q.GroupBy)
		return err
	})
	if err != nil {
		return err
	}
	vectors = o.there(vectors)
	if limit := r.Settings.MaxSeries; len(vectors) > limit {
		o.cut = len(vectors) - limit
		vectors = vectors[:limit]
	}
	judge := detect.JudgeJoint{Name: q.Detector, Detector: q.joint, Walk: q.Walk, Policy: q.policy, Fits: r.Fits, HistoryStart: o.history.Start(r.Now.UnixMilli())}
	o.judged = make([]judged, len(vectors))
	return o.timed(func() error {
		return inParallel(ctx, len(vectors), func(ctx context.Context, i int) error {
			v := vectors[i]
			found, err := judge.Vector(ctx, v, o.mask(v.Labels), o.shown.Start, o.shown.At(o.shown.N-1))
			if err != nil {
				return tooMany(fmt.Errorf("joint detector %s: %w", q.Detector, err))
			}
			kept := judged{name: o.name(v.Labels), labels: v.Labels, episodes: found.Episodes, notices: found.Notices, promise: found.Calibration, details: found.Details}
			switch q.Output {
			case outputSeries:
				kept.frame = o.jointFrame(kept.name, found, lookOf(r.RefID, i, len(vectors)))
			case outputLatest:
				kept.frame = latestFrame(kept.name, found.Verdicts)
			}
			o.judged[i] = kept
			return nil
		})
	})
}

// there returns the vectors with a sample in the shown range, and counts the others.
func (o *outcome) there(vectors []series.Vector) []series.Vector {
	return slices.DeleteFunc(vectors, func(v series.Vector) bool {
		gone := v.Between(o.shown.Start, o.shown.End()).Presence().Present() == 0
		if gone {
			o.absent++
		}
		return gone
	})
}

// vectors asks for the samples: of each dimension, or of the one expression.
func (o *outcome) vectors(ctx context.Context, names, exprs, by []string) ([]series.Vector, error) {
	if len(exprs) == 0 {
		var err error
		if o.answer, err = o.request.Source.Range(ctx, o.expr, o.fetched); err != nil {
			return nil, err
		}
		var out []series.Vector
		for _, g := range o.answer.Set.GroupBy(by...) {
			out = append(out, g.Vector())
		}
		return out, nil
	}
	answers := make([]prom.Answer, len(exprs))
	err := inParallel(ctx, len(exprs), func(ctx context.Context, i int) (err error) {
		if answers[i], err = o.request.Source.Range(ctx, exprs[i], o.fetched); err != nil {
			return fmt.Errorf("dimension %s: %w", names[i], err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sets := make([]series.Set, len(answers))
	o.answer.Set.Grid = o.fetched
	for i, a := range answers {
		sets[i] = a.Set
		o.answer.Set.Members = append(o.answer.Set.Members, a.Set.Members...)
		o.remarks(a)
	}
	vectors, err := series.Join(names, sets, by...)
	if err != nil {
		return nil, inputError{err}
	}
	return vectors, nil
}
