package main

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// severalCommand is what `foreshock joint` and `foreshock peers` have in common: several series at once, from a file with a column for each or from PromQL.
type severalCommand struct {
	detectCommand
	groupBy []string
}

func (s *severalCommand) flags(cmd *kingpin.CmdClause, names []string, usual string) {
	p := s.program
	cmd.Arg("file", p.text("help.file")).StringsVar(&s.files)
	s.judging.flagsOf(p, cmd, names, usual)
	s.query.flags(p, cmd)
	cmd.Flag("group-by", p.text("help.group-by")).PlaceHolder("LABEL").StringsVar(&s.groupBy)
	cmd.Flag("clean", p.text("help.clean")).PlaceHolder("COLUMN|PROMQL").StringVar(&s.clean)
	cmd.Flag("value", p.text("help.value")).PlaceHolder("COLUMN").StringsVar(&s.values)
	cmd.Flag("time-unit", p.text("help.time-unit")).Default("auto").StringVar(&s.unit)
	cmd.Flag("format", p.text("help.several.format")).Default("csv").StringVar(&s.format)
	cmd.Flag("quiet", p.text("help.quiet")).Short('q').BoolVar(&s.quiet)
}

// checkSeveral reports flags that contradict each other.
func (s *severalCommand) checkSeveral(asked bool) error {
	if err := oneOf("--format", s.format, []string{"csv", "intervals"}); err != nil {
		return err
	}
	if err := oneOf("--time-unit", s.unit, unitNames); err != nil {
		return err
	}
	switch {
	case asked && len(s.files) > 0:
		return badInputf("got a file and a query, want either")
	case asked && s.query.url == "":
		return badInputf("got a query without --prometheus.url, want both")
	case !asked && s.query.url != "":
		return badInputf("got --prometheus.url without a query, want both")
	case !asked && len(s.files) != 1:
		return badInputf("got %d files, want one with a column for each series, - for standard input, or --prometheus.url with a query", len(s.files))
	}
	if !asked && s.files[0] == standardInput {
		s.files[0] = "-"
	}
	return nil
}

// input is what is judged.
type input struct {
	table *table // nil for a query
	laid  *laid
	set   series.Set
	clean detect.Clean
	judge detect.Judge // its walk, policy and history are those of the input
	shown series.Grid
}

// fromFile reads the columns of a file; that of the filter is taken out of the set.
func (s *severalCommand) fromFile() (input, error) {
	t, err := readFile(s.files[0], s.stdin, csvOptions{unit: timeUnits[s.unit], values: s.wanted(), step: s.rowStep()})
	if err != nil {
		return input{}, err
	}
	if t.name == "-" {
		t.name = "stdin"
	}
	step, err := s.stepOf(t)
	if err != nil {
		return input{}, err
	}
	judge, err := s.at(step)
	if err != nil {
		return input{}, err
	}
	l, err := lay(t, judge.Walk.Step.Milliseconds())
	if err != nil {
		return input{}, err
	}
	if !s.quiet {
		s.notes(t, l, judge)
	}
	in := input{table: t, laid: l, judge: judge, shown: l.set.Grid, set: series.Set{Grid: l.set.Grid}}
	found := s.clean == ""
	for c, m := range l.set.Members {
		if t.columns[c] != s.clean {
			m.Labels = series.Labels{{Name: "column", Value: t.columns[c]}}
			in.set.Members = append(in.set.Members, m)
			continue
		}
		found = true
		mask := series.Series{Grid: m.Grid, Values: m.Values}
		in.clean = detect.NewClean("column == bool 1", series.Set{Grid: m.Grid, Members: []series.Series{mask}})
	}
	if !found {
		return input{}, badInputf("--clean: %s has no column %q, want one of %s", t.name, s.clean, strings.Join(t.columns, ", "))
	}
	if len(in.set.Members) == 0 {
		return input{}, badInputf("%s: got no column besides that of --clean", t.name)
	}
	return in, nil
}

// wanted are the columns that are read: those of --value with that of the filter.
func (s *severalCommand) wanted() []string {
	if len(s.values) == 0 || s.clean == "" || slices.Contains(s.values, s.clean) {
		return s.values
	}
	return append(slices.Clone(s.values), s.clean)
}

// fromQuery asks for the series of each expression, and for the filter.
func (s *severalCommand) fromQuery(ctx context.Context, exprs []string) (input, []series.Set, error) {
	now := time.Now()
	from, err := parseMoment("--from", s.query.from, now)
	if err != nil {
		return input{}, nil, err
	}
	to, err := parseMoment("--to", s.query.to, now)
	if err != nil {
		return input{}, nil, err
	}
	if s.step == "auto" {
		s.step = detect.DefaultWalk().Step.String()
	}
	judge, err := s.at(s.step)
	if err != nil {
		return input{}, nil, err
	}
	in := input{judge: judge, shown: series.GridOver(from, to, judge.Walk.Step.Milliseconds())}
	if in.shown.N == 0 {
		return input{}, nil, badInputf("--from %s to --to %s holds no multiple of the step, which is %s", clock(from), clock(to), judge.Walk.Step)
	}
	fetch := judge.Walk.Fetch(from, to, judge.Policy)
	sets := make([]series.Set, len(exprs))
	in.set.Grid = fetch
	for i, expr := range exprs {
		s.query.expr = expr
		set, known, err := s.fetch(ctx, fetch)
		if err != nil {
			return input{}, nil, err
		}
		sets[i] = set
		in.set.Members = append(in.set.Members, set.Members...)
		in.judge.HistoryStart = known.Start(now.UnixMilli())
	}
	if len(in.set.Members) == 0 {
		return input{}, nil, badInputf("--query: the answer holds no series from %s to %s", clock(fetch.Start), clock(in.shown.End()-in.shown.Step))
	}
	if s.clean != "" {
		filter, err := s.ask(ctx, "--clean", s.clean, fetch)
		if err != nil {
			return input{}, nil, err
		}
		in.clean = detect.NewClean(s.clean, filter.Set)
	}
	return in, sets, nil
}

// peersCommand is `foreshock peers`.
type peersCommand struct {
	severalCommand
	peers detect.Peers
}

func (p program) addPeers(app *kingpin.Application) (string, command) {
	c := &peersCommand{severalCommand: severalCommand{detectCommand: detectCommand{program: p, workers: 1}}}
	cmd := app.Command("peers", p.text("help.peers"))
	c.flags(cmd, detect.PeerDetectors.Names(), "mad")
	return cmd.FullCommand(), c.run
}

func (c *peersCommand) run(ctx context.Context) error {
	err := c.readWith(func(decode registry.Decode) (err error) {
		c.peers, err = detect.PeerDetectors.New(c.detector, decode)
		return err
	})
	if err != nil {
		return err
	}
	asked := c.query.expr != ""
	if err := c.checkSeveral(asked); err != nil {
		return err
	}
	var in input
	if asked {
		in, _, err = c.fromQuery(ctx, []string{c.query.expr})
	} else {
		in, err = c.fromFile()
	}
	if err != nil {
		return err
	}
	most := 0
	for _, g := range in.set.GroupBy(c.groupBy...) {
		most = max(most, len(g.Members))
	}
	if most < leastMembers {
		return badInputf("the largest fleet has %d members, want at least %d: of two, nobody can tell which differs; fleets are told apart by --group-by", most, leastMembers)
	}
	out := buffered(c.stdout)
	judge := detect.JudgePeers{Name: c.detector, Detector: c.peers, Walk: in.judge.Walk, Policy: in.judge.Policy, HistoryStart: in.judge.HistoryStart}
	if err := judge.Validate(); err != nil {
		return badInputf("--policy: %w", err)
	}
	first := true
	for _, g := range in.set.GroupBy(c.groupBy...) {
		f := detect.Fleet{Labels: g.Labels, Set: g.Set}
		for _, m := range g.Members {
			f.Clean = append(f.Clean, c.mask(in.clean, m.Labels))
		}
		found, err := judge.Fleet(ctx, f, in.shown.Start, in.shown.At(in.shown.N-1))
		if err != nil {
			return fmt.Errorf("compare %s: %w", g.Labels, err)
		}
		for i, v := range found {
			o := seriesOutput(g.Members[i], in.shown, in.judge)
			if in.table != nil {
				o.table, o.laid = only(in.table, g.Members[i].Labels.Get("column")), in.laid
				o.table.name = in.table.name
			}
			o.out, o.first, o.withSeries = out, first, true
			if err := c.write(ctx, o, one(v)); err != nil {
				return err
			}
			first = false
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the verdicts: %w", err)
	}
	return nil
}

// one yields the verdicts of one series.
func one(v detect.Verdicts) iter.Seq2[detect.Verdicts, error] {
	return func(yield func(detect.Verdicts, error) bool) { yield(v, nil) }
}

// only returns the rows of a table with one value column.
func only(t *table, column string) *table {
	k := slices.Index(t.columns, column)
	out := &table{name: t.name, columns: []string{column}, synthetic: t.synthetic, rows: rows{width: 1}}
	for i := range t.n {
		x := math.NaN()
		if k >= 0 {
			x = t.value(i, k)
		}
		out.add(t.time(i), t.stamp(i), []float64{x})
	}
	return out
}
