package scorer

import (
	"context"
	"fmt"
	"slices"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// The kinds of rules: the shapes of what is judged.
const (
	kindSeries = evaluate.ShapeSeries
	kindJoint  = evaluate.ShapeJoint
	kindPeers  = evaluate.ShapePeers
)

// answers is what the expressions of a rule gave.
type answers struct {
	// sets are those of expr, or of each dimension in the order of the names; whole is all of them as one.
	sets  []series.Set
	whole series.Set
	clean detect.Clean
	// cut is how many answers a limit of the client cut.
	cut      int
	warnings []string
}

// ask fetches what a rule needs on a grid. The error names the expression where there are several.
func (r Rule) ask(ctx context.Context, source Source, conf Prometheus, grid series.Grid, now int64) (answers, error) {
	out := answers{whole: series.Set{Grid: grid}}
	queries := r.Queries(conf)
	for _, q := range queries {
		a, err := source.Range(ctx, q.Expr, grid, now)
		if err != nil {
			if len(queries) > 1 {
				err = fmt.Errorf("%s: %w", q.Field, err)
			}
			return out, err
		}
		out.cut += cut(a)
		out.warnings = append(out.warnings, a.Warnings...)
		for _, n := range a.Notices {
			out.warnings = append(out.warnings, n.Text)
		}
		if q.Field == "clean" {
			out.clean = detect.NewClean(q.Expr, a.Set)
			continue
		}
		out.sets = append(out.sets, a.Set)
		out.whole.Members = append(out.whole.Members, a.Set.Members...)
	}
	return out, nil
}

// cut is 1 for an answer that a limit of the client cut: how much was left out is not known.
func cut(a prom.Answer) int {
	if a.Cut() {
		return 1
	}
	return 0
}

// unit is what is judged at once: a series, a vector, or a fleet.
type unit struct {
	// labels identify it: which shard judges it, and for vectors what is published.
	labels series.Labels
	// members are its series: one, or those of a fleet, gone ones too; vector is that of the kind joint.
	members []series.Series
	vector  series.Vector
}

// units divides the answers into what is judged at once, in the order of their labels.
func (r Rule) units(a answers) ([]unit, error) {
	var out []unit
	switch {
	case r.Kind == kindPeers:
		for _, g := range a.whole.GroupBy(r.GroupBy...) {
			out = append(out, unit{labels: g.Labels, members: g.Members})
		}
	case r.Kind == kindJoint && r.Dimensions != nil:
		vectors, err := series.Join(r.dimensions(), a.sets, r.GroupBy...)
		if err != nil {
			return nil, err
		}
		for _, v := range vectors {
			out = append(out, unit{labels: v.Labels, vector: v})
		}
	case r.Kind == kindJoint:
		for _, g := range a.whole.GroupBy(r.GroupBy...) {
			out = append(out, unit{labels: g.Labels, vector: g.Vector()})
		}
	default:
		for _, s := range a.whole.Members {
			out = append(out, unit{labels: s.Labels, members: []series.Series{s}})
		}
	}
	return out, nil
}

// presence returns a series with the samples at which the unit is there; of a single series it is the series itself.
func (u unit) presence() series.Series {
	switch {
	case u.vector.Grid.Step != 0:
		return u.vector.Presence()
	case len(u.members) == 1:
		return u.members[0]
	}
	return series.Set{Grid: u.members[0].Grid, Members: u.members}.Presence(u.labels)
}

// rows is how many series of samples the unit has.
func (u unit) rows() int { return len(u.members) + len(u.vector.Values) }

// fleet returns the members with their filter; unknown counts those of which the filter says nothing: nothing is learnt of them.
func (u unit) fleet(clean detect.Clean) (f detect.Fleet, unknown int) {
	f = detect.Fleet{Labels: u.labels, Set: series.Set{Grid: u.members[0].Grid, Members: u.members}}
	for _, m := range u.members {
		mask, found := clean.Mask(m.Labels)
		if !found {
			unknown++
		}
		f.Clean = append(f.Clean, mask)
	}
	return f, unknown
}

// mine keeps the units of this scorer's shard. Vectors and fleets of all rules without labels would share one: the rule's name counts, too.
func (e *evaluation) mine(all []unit) []unit {
	if e.shard.Count <= 1 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(u unit) bool {
		labels := u.labels
		if e.rule.Kind != kindSeries {
			m := labels.Map()
			m["rule"] = e.rule.Name
			labels = series.FromMap(m)
		}
		return !e.shard.has(labels)
	})
}
