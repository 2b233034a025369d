package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// dimensions are the expressions of a vector by the names of its dimensions.
type dimensions map[string]string

// mostDimensions bounds the expressions of one query, and with them the questions to the server.
const mostDimensions = 64

// read decodes them from a query.
func (d *dimensions) read(raw json.RawMessage) error {
	if err := json.Unmarshal(raw, d); err != nil {
		return fmt.Errorf("parameter \"dimensions\": want an object with a PromQL expression for each name, like {\"requests\": \"sum by (application) (rate(requests_total[5m]))\"}")
	}
	return nil
}

// names returns the names in order.
func (d dimensions) names() []string { return slices.Sorted(maps.Keys(d)) }

// check reports what is wrong with them, beside the one expression that may stand in their place.
func (d dimensions) check(expr string) error {
	if len(d) == 0 && strings.TrimSpace(expr) == "" {
		return errors.New("parameter \"dimensions\": got nothing, want a PromQL expression for each dimension; or one \"expr\" whose series are the dimensions")
	}
	if len(d) > 0 && strings.TrimSpace(expr) != "" {
		return errors.New("parameter \"expr\": got one besides \"dimensions\", want either")
	}
	if n := len(d); n > mostDimensions {
		return fmt.Errorf("parameter \"dimensions\": got %d, want at most %d", n, mostDimensions)
	}
	for _, name := range d.names() {
		if strings.TrimSpace(name) == "" || strings.TrimSpace(d[name]) == "" {
			return fmt.Errorf("parameter \"dimensions\": dimension %q has no name or no expression, want both", name)
		}
	}
	return nil
}

// expand returns the expressions with their macros filled in, in the order of the names, and all of them as one text; of none, that of the one expression.
func (d dimensions) expand(expr string, values map[string]string) (exprs []string, whole string, err error) {
	for _, name := range d.names() {
		one, err := expandAs("dimensions", d[name], values)
		if err != nil {
			return nil, "", inputError{err}
		}
		exprs = append(exprs, one)
	}
	if len(exprs) > 0 {
		return exprs, strings.Join(exprs, "\n"), nil
	}
	if whole, err = expand(expr, values); err != nil {
		return nil, "", inputError{err}
	}
	return nil, whole, nil
}

// tooMany tells who is to blame for a vector with too many dimensions.
func tooMany(err error) error {
	if errors.Is(err, detect.ErrDimensions) {
		return inputError{fmt.Errorf("parameter \"expr\": %w", err)}
	}
	return err
}

// severalQuery is the fields of the kinds that run detectors of every shape again: over series, vectors or fleets.
type severalQuery struct {
	detectQuery
	Of      string   `json:"of" enum:"series,joint,peers" help:"What is judged: each series alone (series), several series as one vector (joint), or the members of a fleet (peers)."`
	GroupBy []string `json:"group_by" help:"Labels that tell vectors or fleets apart, like application. With named dimensions none means all labels of their series; with one expression none makes one of all its series."`

	dimensions dimensions
	judge      evaluate.Judge
}

func newSeveralQuery() severalQuery {
	q := severalQuery{detectQuery: *newDetectQuery(), Of: evaluate.ShapeSeries}
	q.Detector = "" // the usual one of the shape
	return q
}

func (q *severalQuery) Parts() map[string]func(json.RawMessage) error {
	parts := q.detectQuery.Parts()
	parts["dimensions"] = func(raw json.RawMessage) error { return q.dimensions.read(raw) }
	return parts
}

// Validate checks what depends on several fields, and makes the detector.
func (q *severalQuery) Validate() error {
	switch {
	case q.Of == evaluate.ShapeJoint:
		if err := q.dimensions.check(q.Expr); err != nil {
			return err
		}
	case len(q.dimensions) > 0:
		return fmt.Errorf("parameter \"dimensions\": got some with \"of\" %q, want none, or \"of\" \"joint\": they are those of a vector", q.Of)
	case strings.TrimSpace(q.Expr) == "":
		return errors.New("parameter \"expr\": got nothing, want a PromQL expression")
	}
	if q.Of == evaluate.ShapeSeries && len(q.GroupBy) > 0 {
		return fmt.Errorf("parameter \"group_by\": got %q with \"of\" \"series\", want none, or \"of\" \"joint\" or \"peers\": each series is judged alone", q.GroupBy)
	}
	if err := q.Walk.Validate(); err != nil {
		return err
	}
	if err := q.Fits(q.policy); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	if q.Detector == "" {
		q.Detector = evaluate.UsualDetector(q.Of)
	}
	var err error
	if q.judge, err = (evaluate.Judge{Judge: detect.Judge{Walk: q.Walk, Policy: q.policy}}).With(q.Of, q.Detector, registry.FromJSON(q.params)); err != nil {
		return err
	}
	q.working = q.judge.Options()
	if err := q.judge.Validate(); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	return nil
}

// asked is what a rule or a query like this one asks.
func (q *severalQuery) asked() evaluate.Asked {
	return evaluate.Asked{Expr: q.Expr, Dimensions: q.dimensions, GroupBy: q.GroupBy, Clean: q.Clean}
}

// cases asks for the samples, and returns what of them is judged.
func (q *severalQuery) cases(ctx context.Context, l *lookedBack, divide func(series.Vector) []evaluate.Case) ([]evaluate.Case, error) {
	exprs, whole, err := q.dimensions.expand(q.Expr, macros(q.Step, q.Train, l.request.Settings.TimeInterval))
	if err != nil {
		return nil, err
	}
	l.expr = whole
	var vectors []series.Vector
	err = l.ask(ctx, func() (err error) {
		if q.Of == evaluate.ShapeJoint {
			vectors, err = l.vectors(ctx, q.dimensions.names(), exprs, q.GroupBy)
			return err
		}
		l.answer, err = l.request.Source.Range(ctx, l.expr, l.fetched)
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []evaluate.Case
	switch q.Of {
	case evaluate.ShapeJoint:
		all = l.dividedVectors(vectors, divide)
	case evaluate.ShapePeers:
		all = l.fleetMembers(q.GroupBy)
	default:
		for _, s := range l.choose() {
			all = append(all, evaluate.Case{Series: s, Clean: l.mask(s.Labels)})
		}
	}
	for i := range all {
		all[i].From, all[i].To = l.shown.Start, l.shown.At(l.shown.N-1)
	}
	return all, nil
}

// dividedVectors returns what is judged of vectors that have a sample in the shown range, up to the cap.
func (l *lookedBack) dividedVectors(vectors []series.Vector, divide func(series.Vector) []evaluate.Case) []evaluate.Case {
	var all []evaluate.Case
	for _, v := range l.there(vectors) {
		for _, c := range divide(v) {
			if len(all) == l.request.Settings.MaxSeries {
				l.cut++
				continue
			}
			c.Clean = l.mask(v.Labels)
			all = append(all, c)
		}
	}
	return all
}

// fleetMembers returns the members that are judged; each is compared with all of its fleet, also those that are not.
func (l *lookedBack) fleetMembers(by []string) []evaluate.Case {
	chosen := map[string]bool{}
	for _, s := range l.choose() {
		chosen[s.Labels.String()] = true
	}
	var all []evaluate.Case
	for _, g := range l.answer.Set.GroupBy(by...) {
		for _, c := range evaluate.Members(l.fleetOf(g, chosen)) {
			if chosen[c.Series.Labels.String()] {
				all = append(all, c)
			}
		}
	}
	return all
}

// nameOf is what tables show for a case: the legend does not tell the dimensions of a vector apart.
func (l *lookedBack) nameOf(c evaluate.Case) string {
	labels := c.Series.Labels
	name := l.name(labels)
	if d := labels.Get("dimension"); c.Vector != nil && d != "" && name != labels.String() {
		name += ": " + d
	}
	return name
}
