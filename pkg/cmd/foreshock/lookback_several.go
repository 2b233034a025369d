package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// shape is the flags that say whether series are judged alone, as vectors or as fleets.
type shape struct {
	kind                string
	dimensions, groupBy []string
	// named is set when a detector was named.
	named bool
	// divide is what is looked back over of a vector.
	divide func(series.Vector) []evaluate.Case
	with   evaluate.Judge
	names  []string // of the dimensions, and their expressions
	exprs  []string
}

func (s *shape) flags(p program, cmd *kingpin.CmdClause) {
	cmd.Flag("kind", p.text("help.kind")).Default(evaluate.ShapeSeries).StringVar(&s.kind)
	cmd.Flag("dimension", p.text("help.dimension")).PlaceHolder("NAME=PROMQL").StringsVar(&s.dimensions)
	cmd.Flag("group-by", p.text("help.group-by")).PlaceHolder("LABEL").StringsVar(&s.groupBy)
	cmd.GetFlag("detector").IsSetByUser(&s.named)
}

// readShape checks everything that does not depend on the input, and makes the detector.
func (s *shape) readShape(j *judging) error {
	if err := oneOf("--kind", s.kind, evaluate.Shapes()); err != nil {
		return err
	}
	if len(s.dimensions) > 0 && s.kind != evaluate.ShapeJoint {
		return badInputf("--dimension: got %q with --kind %s, want --kind joint: dimensions are those of a vector", s.dimensions[0], s.kind)
	}
	if len(s.groupBy) > 0 && s.kind == evaluate.ShapeSeries {
		return badInputf("--group-by: got %q with --kind series, want --kind joint or peers: each series is judged alone", s.groupBy[0])
	}
	if !s.named {
		j.detector = evaluate.UsualDetector(s.kind)
	}
	var err error
	if s.names, s.exprs, err = dimensionsOf(s.dimensions); err != nil {
		return err
	}
	err = j.readWith(func(decode registry.Decode) (err error) {
		s.with, err = evaluate.Judge{}.With(s.kind, j.detector, decode)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.judgeOf(j.judge).Validate(); err != nil {
		return badInputf("--policy: %w", err)
	}
	return nil
}

// dimensionsOf reads NAME=PROMQL.
func dimensionsOf(given []string) (names, exprs []string, err error) {
	for _, d := range given {
		name, expr, ok := strings.Cut(d, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.TrimSpace(expr) == "" {
			return nil, nil, badInputf("--dimension: got %q, want NAME=PROMQL", d)
		}
		if slices.Contains(names, name) {
			return nil, nil, badInputf("--dimension: %q is given twice, want it once", name)
		}
		names, exprs = append(names, name), append(exprs, expr)
	}
	return names, exprs, nil
}

// checkQuery reports flags for a server that contradict each other.
func (s *shape) checkQuery(q rangeQuery) error {
	switch {
	case len(s.dimensions) == 0:
		return q.check()
	case q.expr != "":
		return badInputf("got --query and --dimension, want either")
	case q.url == "":
		return badInputf("got --dimension without --prometheus.url, want both")
	}
	return nil
}

// judgeOf returns a judge with the detector of the shape.
func (s *shape) judgeOf(judge detect.Judge) evaluate.Judge {
	judge.Detector = s.with.Detector
	return evaluate.Judge{Judge: judge, Joint: s.with.Joint, Peers: s.with.Peers}
}

// leastMembers is how many members a fleet needs, and leastDimensions how many dimensions a vector.
const leastMembers, leastDimensions = 3, 2

// columns returns the names of the columns of a file that are judged: those of the filter and of the label are not.
func (l *lookback) columns(t *table, name string) ([]string, error) {
	columns := t.columns
	if l.clean != "" {
		columns = columns[:len(columns)-1]
	}
	if l.kind != evaluate.ShapeSeries {
		columns = slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return c == l.label })
	}
	got := fmt.Sprintf("%s: got %d value columns (%s)", name, len(columns), strings.Join(columns, ", "))
	switch n := len(columns); {
	case l.kind == evaluate.ShapeSeries && n != 1:
		return nil, badInputf("%s, want one: pick it with --value, or take all of them with --kind joint or peers", got)
	case l.kind == evaluate.ShapeJoint && n < leastDimensions:
		return nil, badInputf("%s, want at least %d with --kind joint, one for each dimension", got, leastDimensions)
	case l.kind == evaluate.ShapePeers && n < leastMembers:
		return nil, badInputf("%s, want at least %d with --kind peers, one for each member: of two, nobody can tell which differs", got, leastMembers)
	}
	return columns, nil
}

// rows returns what is looked back over of a file. Its vector or fleet has no labels, as in the commands joint and peers.
func (l *lookback) rows(name string, set series.Set, columns []string, clean series.Series) []past {
	file := name
	if name == "-" {
		name = "stdin"
	}
	members := slices.Clone(set.Members[:0])
	for _, m := range set.Members {
		if len(set.Members) == 1 || slices.Contains(columns, m.Labels.Get("column")) {
			members = append(members, m)
		}
	}
	switch l.kind {
	case evaluate.ShapeJoint:
		v := series.Vector{Grid: set.Grid, Names: columns}
		for _, m := range members {
			v.Values = append(v.Values, m.Values)
		}
		return named(name, clean, l.divide(v))
	case evaluate.ShapePeers:
		f := detect.Fleet{Set: series.Set{Grid: set.Grid, Members: members}}
		for range members {
			f.Clean = append(f.Clean, clean)
		}
		return named(name, clean, evaluate.Members(f))
	}
	s := members[0]
	s.Labels = series.FromMap(map[string]string{"file": file})
	return []past{{name: name, Case: evaluate.Case{Series: s, Clean: clean}}}
}

// named names what a file holds.
func named(name string, clean series.Series, cases []evaluate.Case) []past {
	out := make([]past, len(cases))
	for i, c := range cases {
		c.Clean = clean
		out[i] = past{name: name, Case: c}
		for _, label := range []string{"column", "dimension"} {
			if x := c.Series.Labels.Get(label); x != "" {
				out[i].name += ": " + x
			}
		}
	}
	return out
}

// askAll asks for the samples: of the expression, or of that of each dimension.
func (l *lookback) askAll(ask func(flag, expr string, grid series.Grid) (series.Set, error), grid series.Grid, to int64) ([]series.Set, error) {
	flag, names, exprs := "--dimension", l.names, l.exprs
	if len(exprs) == 0 {
		flag, names, exprs = "--query", []string{""}, []string{l.query.expr}
	}
	sets, n := make([]series.Set, len(exprs)), 0
	for i, expr := range exprs {
		where := flag
		if names[i] != "" {
			where += " " + names[i]
		}
		var err error
		if sets[i], err = ask(where, expr, grid); err != nil {
			return nil, err
		}
		if n += len(sets[i].Members); len(sets[i].Members) == 0 {
			return nil, badInputf("%s: %s: the answer holds no series from %s to %s", where, expr, clock(grid.Start), clock(to))
		}
	}
	return sets, nil
}

// units divides answers into what is looked back over, in the order of their labels.
func (l *lookback) units(sets []series.Set, mask func(series.Labels) series.Series) ([]past, error) {
	var out []past
	add := func(clean series.Series, cases ...evaluate.Case) {
		for _, c := range cases {
			c.Clean = clean
			out = append(out, past{name: c.Series.Labels.String(), Case: c})
		}
	}
	switch l.kind {
	case evaluate.ShapeJoint:
		vectors, err := l.vectors(sets)
		if err != nil {
			return nil, err
		}
		for _, v := range vectors {
			add(mask(v.Labels), l.divide(v)...)
		}
	case evaluate.ShapePeers:
		small := 0
		for _, g := range sets[0].GroupBy(l.groupBy...) {
			f := detect.Fleet{Labels: g.Labels, Set: g.Set}
			for _, m := range g.Members {
				f.Clean = append(f.Clean, mask(m.Labels))
			}
			small = max(small, len(g.Members))
			add(series.Series{}, evaluate.Members(f)...)
		}
		if small < leastMembers {
			return nil, badInputf("--query: %s: the largest fleet has %d series, want at least %d: of two, nobody can tell which differs; fleets are told apart by --group-by",
				l.query.expr, small, leastMembers)
		}
	default:
		for _, s := range sets[0].Members {
			add(mask(s.Labels), evaluate.Case{Series: s})
		}
	}
	return out, nil
}

func (l *lookback) vectors(sets []series.Set) ([]series.Vector, error) {
	return vectorsOf(l.names, sets, l.query.expr, l.groupBy)
}

// vectorsOf reads the answers as vectors: of each named dimension, or of the one expression. It refuses those of which none has two dimensions.
func vectorsOf(names []string, sets []series.Set, expr string, by []string) ([]series.Vector, error) {
	var vectors []series.Vector
	if len(names) == 0 {
		for _, g := range sets[0].GroupBy(by...) {
			vectors = append(vectors, g.Vector())
		}
	} else {
		var err error
		if vectors, err = series.Join(names, sets, by...); err != nil {
			return nil, badInputf("--dimension: %w", err)
		}
	}
	most := 0
	for _, v := range vectors {
		n := 0
		for d := range v.Values {
			if v.Dimension(d).FirstPresent() >= 0 {
				n++
			}
		}
		most = max(most, n)
	}
	switch {
	case most >= leastDimensions:
		return vectors, nil
	case len(names) > 0:
		return nil, badInputf("--dimension: got %s, but no vector has samples of two of them, want expressions whose series have the same labels, or --group-by with labels that they share", strings.Join(names, ", "))
	}
	return nil, badInputf("--query: %s: the largest vector has %d series, want at least %d dimensions; vectors are told apart by --group-by", expr, most, leastDimensions)
}

// asked is what a printed rule or query asks.
func (l *lookback) asked() evaluate.Asked {
	out := evaluate.Asked{Expr: l.query.expr, GroupBy: l.groupBy, Clean: l.clean}
	for i, name := range l.names {
		if out.Dimensions == nil {
			out.Dimensions = map[string]string{}
		}
		out.Dimensions[name] = l.exprs[i]
	}
	if out.Expr == "" && out.Dimensions == nil {
		out.Expr = "my_metric"
	}
	return out
}
