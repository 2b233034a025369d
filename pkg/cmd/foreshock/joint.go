package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// jointCommand is `foreshock joint`.
type jointCommand struct {
	severalCommand
	dimensions []string
	vector     detect.Joint
}

func (p program) addJoint(app *kingpin.Application) (string, command) {
	c := &jointCommand{severalCommand: severalCommand{detectCommand: detectCommand{program: p, workers: 1}}}
	cmd := app.Command("joint", p.text("help.joint"))
	c.flags(cmd, detect.Joints.Names(), "auto")
	cmd.Flag("dimension", p.text("help.dimension")).PlaceHolder("NAME=PROMQL").StringsVar(&c.dimensions)
	return cmd.FullCommand(), c.run
}

func (c *jointCommand) run(ctx context.Context) error {
	err := c.readWith(func(decode registry.Decode) (err error) {
		c.vector, err = detect.Joints.New(c.detector, decode)
		return err
	})
	if err != nil {
		return err
	}
	names, exprs, err := c.asked()
	if err != nil {
		return err
	}
	if err := c.checkSeveral(len(exprs) > 0); err != nil {
		return err
	}
	in, vectors, err := c.input(ctx, names, exprs)
	if err != nil {
		return err
	}
	judge := detect.JudgeJoint{Name: c.detector, Detector: c.vector, Walk: in.judge.Walk, Policy: in.judge.Policy, HistoryStart: in.judge.HistoryStart}
	if err := judge.Validate(); err != nil {
		return badInputf("--policy: %w", err)
	}
	zone, err := judge.Walk.Location()
	if err != nil {
		return badInput(err)
	}
	out := buffered(c.stdout)
	w := jointWriter{out: out, lang: c.lang, zone: zone, several: len(vectors) > 1, intervals: c.format == "intervals"}
	for _, v := range vectors {
		found, err := judge.Vector(ctx, v, c.mask(in.clean, v.Labels), in.shown.Start, in.shown.At(in.shown.N-1))
		if errors.Is(err, detect.ErrDimensions) {
			return badInput(err)
		}
		if err != nil {
			return err
		}
		w.write(in, found)
		if !c.quiet {
			c.note(c.text("outcome", "name", nameOf(in, v), "rows", strconv.Itoa(in.shown.N), "step", judge.Walk.Step.String(), "detector", c.detector, "episodes", strconv.Itoa(len(found.Episodes))))
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the verdicts: %w", err)
	}
	return nil
}

func nameOf(in input, v series.Vector) string {
	if in.table != nil {
		return in.table.name
	}
	return v.Labels.String()
}

// asked returns the expressions that are asked for, with names where they have some.
func (c *jointCommand) asked() (names, exprs []string, err error) {
	if len(c.dimensions) > 0 && c.query.expr != "" {
		return nil, nil, badInputf("got --query and --dimension, want either")
	}
	if c.query.expr != "" {
		return nil, []string{c.query.expr}, nil
	}
	return dimensionsOf(c.dimensions)
}

// input reads or fetches the vectors.
func (c *jointCommand) input(ctx context.Context, names, exprs []string) (input, []series.Vector, error) {
	if len(exprs) == 0 {
		in, err := c.fromFile()
		if err != nil {
			return input{}, nil, err
		}
		v := series.Vector{Grid: in.set.Grid}
		for _, m := range in.set.Members {
			v.Names, v.Values = append(v.Names, m.Labels.Get("column")), append(v.Values, m.Values)
		}
		return in, []series.Vector{v}, nil
	}
	in, sets, err := c.fromQuery(ctx, exprs)
	if err != nil {
		return input{}, nil, err
	}
	vectors, err := vectorsOf(names, sets, c.query.expr, c.groupBy)
	return in, vectors, err
}

// jointWriter writes verdicts of vectors as CSV: a row for each row of the file or time of the range, or one for each episode.
type jointWriter struct {
	out                *bufio.Writer
	lang               string
	zone               *time.Location
	several, intervals bool
	header             string
}

func (w *jointWriter) write(in input, v detect.JointVerdicts) {
	prefix := ""
	if w.several {
		prefix = quoted(v.Vector.Labels.String()) + ","
	}
	if w.intervals {
		w.head("began,confirmed,ended,kind,peak,peak_at,contributions,reason")
		for i, e := range v.Episodes {
			w.episode(prefix, e, v.Details[i], in.shown.Step)
		}
		return
	}
	var cells []string
	for _, n := range v.Vector.Names {
		cells = append(cells, cell(n))
	}
	for _, n := range v.Vector.Names {
		cells = append(cells, cell("contribution_"+n))
	}
	n := len(v.Vector.Names)
	w.head("timestamp," + strings.Join(cells[:n], ",") + ",score,onset,anomalous,kind," + strings.Join(cells[n:], ",") + ",state")
	if in.table == nil {
		for i := range in.shown.N {
			w.row(prefix, appendSeconds(nil, in.shown.At(i)), v, i, false)
		}
		return
	}
	for i := range in.table.n {
		place := in.laid.place(in.table.time(i))
		w.row(prefix, in.table.stamp(i), v, place, in.laid.merged(in.table, i, place))
	}
}

// head writes the names of the columns where they are not those of the vector before.
func (w *jointWriter) head(columns string) {
	if w.several {
		columns = "series," + columns
	}
	if columns != w.header {
		w.header = columns
		_, _ = w.out.WriteString(columns + "\n") // an error comes back from Flush
	}
}

// cell quotes a text where CSV needs it.
func cell(s string) string {
	if strings.ContainsAny(s, ",\"\n") {
		return quoted(s)
	}
	return s
}

func (w *jointWriter) row(prefix string, stamp []byte, v detect.JointVerdicts, i int, merged bool) {
	b := append([]byte(prefix), stamp...)
	number := func(x float64) {
		b = append(b, ',')
		if !merged {
			b = appendFloat(b, x)
		}
	}
	for _, x := range v.Vector.Values {
		number(x[i])
	}
	number(v.Score[i])
	number(v.Onset[i])
	state, anomalous := v.State[i].String(), "0"
	switch {
	case merged:
		state = stateMerged
	case v.Anomalous[i]:
		anomalous = "1"
	}
	b = append(append(append(b, ','), anomalous...), ',')
	if !merged && v.Break[i] != detect.NoBreak {
		b = append(b, v.Break[i].String()...)
	}
	for _, x := range v.Contributions {
		number(x[i])
	}
	b = append(append(append(b, ','), state...), '\n')
	_, _ = w.out.Write(b)
}

func (w *jointWriter) episode(prefix string, e detect.Episode, d detect.JointDetail, step int64) {
	at := func(t int64) string {
		if t == 0 {
			return ""
		}
		return time.UnixMilli(t).In(w.zone).Format(time.RFC3339)
	}
	_, _ = fmt.Fprintf(w.out, "%s%s,%s,%s,%s,%s,%s,%s,%s\n", prefix, at(e.Began), at(e.Confirmed), at(e.Ended), d.Break, appendFloat(nil, min(e.Peak, math.MaxFloat64)), at(e.PeakAt),
		quoted(shares(d)), quoted(d.Explain(e, w.lang, w.zone, step)))
}

// shares writes what each dimension has in the score at the peak, those with the most first.
func shares(d detect.JointDetail) string {
	var parts []string
	for _, p := range d.Parts {
		parts = append(parts, fmt.Sprintf("%s %.0f %%", p.Name, 100*p.Share))
	}
	return strings.Join(parts, ", ")
}
