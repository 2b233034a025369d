package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

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

	dimensions map[string]string // expression by name
	joint      detect.Joint
}

func (q *jointQuery) Parts() map[string]func(json.RawMessage) error {
	parts := q.detectQuery.Parts()
	parts["dimensions"] = func(raw json.RawMessage) error {
		if err := json.Unmarshal(raw, &q.dimensions); err != nil {
			return fmt.Errorf("parameter \"dimensions\": want an object with a PromQL expression for each name, like {\"requests\": \"sum by (application) (rate(requests_total[5m]))\"}")
		}
		return nil
	}
	return parts
}

// mostDimensions bounds the expressions of one query, and with them the questions to the server.
const mostDimensions = 64

// Validate checks what depends on several fields, and makes the detector.
func (q *jointQuery) Validate() error {
	if len(q.dimensions) == 0 && strings.TrimSpace(q.Expr) == "" {
		return errors.New("parameter \"dimensions\": got nothing, want a PromQL expression for each dimension; or one \"expr\" whose series are the dimensions")
	}
	if len(q.dimensions) > 0 && strings.TrimSpace(q.Expr) != "" {
		return errors.New("parameter \"expr\": got one besides \"dimensions\", want either")
	}
	if n := len(q.dimensions); n > mostDimensions {
		return fmt.Errorf("parameter \"dimensions\": got %d, want at most %d", n, mostDimensions)
	}
	for _, name := range q.names() {
		if strings.TrimSpace(name) == "" || strings.TrimSpace(q.dimensions[name]) == "" {
			return fmt.Errorf("parameter \"dimensions\": dimension %q has no name or no expression, want both", name)
		}
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

// names returns the names of the dimensions in order.
func (q *jointQuery) names() []string { return slices.Sorted(maps.Keys(q.dimensions)) }

// Run fetches the samples of all dimensions, judges every vector, and writes the frames.
func (q *jointQuery) Run(ctx context.Context, r Request) (data.Frames, error) {
	values := macros(q.Step, q.Train, r.Settings.TimeInterval)
	var exprs []string
	for _, name := range q.names() {
		expr, err := expandAs("dimensions", q.dimensions[name], values)
		if err != nil {
			return nil, inputError{err}
		}
		exprs = append(exprs, expr)
	}
	whole := strings.Join(exprs, "\n")
	if len(exprs) == 0 {
		var err error
		if whole, err = expand(q.Expr, values); err != nil {
			return nil, inputError{err}
		}
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
		vectors, err = o.vectors(ctx, q, exprs)
		return err
	})
	if err != nil {
		return err
	}
	vectors = slices.DeleteFunc(vectors, func(v series.Vector) bool {
		gone := v.Between(o.shown.Start, o.shown.End()).Presence().Present() == 0
		if gone {
			o.absent++
		}
		return gone
	})
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
			if errors.Is(err, detect.ErrDimensions) {
				return inputError{fmt.Errorf("parameter \"expr\": %w", err)}
			}
			if err != nil {
				return fmt.Errorf("joint detector %s: %w", q.Detector, err)
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

// vectors asks for the samples: of each dimension, or of the one expression.
func (o *outcome) vectors(ctx context.Context, q *jointQuery, exprs []string) ([]series.Vector, error) {
	if len(exprs) == 0 {
		var err error
		if o.answer, err = o.request.Source.Range(ctx, o.expr, o.fetched); err != nil {
			return nil, err
		}
		var out []series.Vector
		for _, g := range o.answer.Set.GroupBy(q.GroupBy...) {
			out = append(out, g.Vector())
		}
		return out, nil
	}
	answers := make([]prom.Answer, len(exprs))
	err := inParallel(ctx, len(exprs), func(ctx context.Context, i int) (err error) {
		if answers[i], err = o.request.Source.Range(ctx, exprs[i], o.fetched); err != nil {
			return fmt.Errorf("dimension %s: %w", q.names()[i], err)
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
	vectors, err := series.Join(q.names(), sets, q.GroupBy...)
	if err != nil {
		return nil, inputError{err}
	}
	return vectors, nil
}
