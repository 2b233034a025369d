package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/chart"
	"github.com/foreshock/foreshock/pkg/detect"
)

// detectCommand is `foreshock detect`.
type detectCommand struct {
	program
	judging
	query  rangeQuery
	files  []string
	output string
	format string
	plot   string
	title  string
	quiet  bool
	unit   string
	values []string
	clean  string
	// workers judge stretches of one input at once.
	workers int
}

func (p program) addDetect(app *kingpin.Application) (string, command) {
	d := &detectCommand{program: p, workers: workers()}
	cmd := app.Command("detect", p.text("help.detect"))
	cmd.Arg("file", p.text("help.file")).StringsVar(&d.files)
	d.judging.flags(p, cmd)
	d.query.flags(p, cmd)
	cmd.Flag("clean", p.text("help.clean")).PlaceHolder("COLUMN|PROMQL").StringVar(&d.clean)
	cmd.Flag("value", p.text("help.value")).PlaceHolder("COLUMN").StringsVar(&d.values)
	cmd.Flag("time-unit", p.text("help.time-unit")).Default("auto").StringVar(&d.unit)
	cmd.Flag("output", p.text("help.output")).Short('o').PlaceHolder("DIR").StringVar(&d.output)
	cmd.Flag("format", p.text("help.format")).PlaceHolder("csv").StringVar(&d.format)
	cmd.Flag("plot", p.text("help.plot")).PlaceHolder("FILE.png|svg").StringVar(&d.plot)
	cmd.Flag("title", p.text("help.title")).StringVar(&d.title)
	cmd.Flag("quiet", p.text("help.quiet")).Short('q').BoolVar(&d.quiet)
	return cmd.FullCommand(), d.run
}

func (d *detectCommand) run(ctx context.Context) error {
	for i, f := range d.files {
		if f == standardInput {
			d.files[i] = "-"
		}
	}
	if err := d.judging.read(); err != nil {
		return err
	}
	if err := d.check(); err != nil {
		return err
	}
	switch {
	case d.query.given():
		return d.runQuery(ctx)
	case d.output != "":
		return d.runMany(ctx)
	}
	out := buffered(d.stdout)
	if d.onlyPlot() {
		out = buffered(io.Discard)
	}
	if err := d.file(ctx, d.files[0], out); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the verdicts: %w", err)
	}
	return nil
}

// check reports flags that contradict each other.
func (d *detectCommand) check() error {
	if err := oneOf("--format", d.outFormat(), formats); err != nil {
		return err
	}
	if err := oneOf("--time-unit", d.unit, unitNames); err != nil {
		return err
	}
	if err := anchoredOnly(d.clean, d.fitting); err != nil {
		return err
	}
	switch {
	case d.query.given() && len(d.files) > 0:
		return badInputf("got files and --prometheus.url or --query, want either")
	case d.query.given():
		if err := d.query.check(); err != nil {
			return err
		}
		if d.fitting.mode == "first" {
			return badInputf("--fit: got %q, want anchored or all: a range has no rows before it is asked", d.fit)
		}
		if d.output != "" {
			return badInputf("--output: got %q with --query, want none: all series go to standard output, each row with its series", d.output)
		}
	case len(d.files) == 0:
		return badInputf("got no input, want CSV files, - for standard input, or --prometheus.url with --query")
	case len(d.files) > 1 && d.output == "":
		return badInputf("got %d files, want --output with a directory for the results", len(d.files))
	}
	if d.plot != "" {
		if d.output != "" {
			return badInputf("--plot: got %q with --output, want one of them: a chart shows one input", d.plot)
		}
		if ext := strings.TrimPrefix(filepath.Ext(d.plot), "."); ext != "png" && ext != "svg" {
			return badInputf("--plot: got %q, want a file name that ends in .png or .svg", d.plot)
		}
	}
	return nil
}

func (d *detectCommand) onlyPlot() bool { return d.plot != "" && d.format == "" }

func (d *detectCommand) outFormat() string {
	if d.format == "" {
		return "csv"
	}
	return d.format
}

// file judges one CSV file and writes its verdicts.
func (d *detectCommand) file(ctx context.Context, name string, out *bufio.Writer) error {
	step := d.rowStep()
	t, err := readFile(name, d.stdin, csvOptions{unit: timeUnits[d.unit], values: d.values, clean: d.clean, step: step})
	if err != nil {
		return err
	}
	if name == "-" {
		t.name = "stdin"
	}
	if err := d.oneColumn(t); err != nil {
		return err
	}
	stepText, err := d.stepOf(t)
	if err != nil {
		return err
	}
	judge, err := d.at(stepText)
	if err != nil {
		return err
	}
	l, err := lay(t, judge.Walk.Step.Milliseconds())
	if err != nil {
		return err
	}
	if !d.quiet {
		d.notes(t, l, judge)
	}
	t, l, clean := takeClean(t, l, d.clean)
	return d.write(ctx, output{table: t, laid: l, judge: judge, out: out, first: true}, judgeTable(ctx, judge, d.fitting, t, l, clean, d.workers))
}

// stepOf returns the step as text: the one given, or the median distance of the rows.
func (d *detectCommand) stepOf(t *table) (string, error) {
	if d.step != "auto" {
		return d.step, nil
	}
	ms := medianSpacing(t)
	if ms == 0 {
		return detect.DefaultWalk().Step.String(), nil
	}
	if ms < 1000 || ms > 86_400_000 {
		return "", badInputf("%s: the rows are %s apart (median), want 1s to 1d: give --step", t.name, spell(ms))
	}
	return spell(ms), nil
}

// oneColumn refuses vectors for detectors of single series.
func (d *detectCommand) oneColumn(t *table) error {
	columns := t.columns
	if d.clean != "" {
		columns = columns[:len(columns)-1]
	}
	if len(columns) == 1 {
		return nil
	}
	return badInputf("%s: got %d value columns (%s), but detector %s judges one: pick one with --value, or judge all as one vector with foreshock joint, or compare them with foreshock peers",
		t.name, len(columns), strings.Join(columns, ", "), d.detector)
}

// notes tells what was done to rows that are not regular.
func (d *detectCommand) notes(t *table, l *laid, j detect.Judge) {
	count := func(key string, n int) string {
		if n == 0 {
			return ""
		}
		return p2(d.text("note."+key, "n", strconv.Itoa(n)))
	}
	if t.synthetic {
		d.note(d.text("note.synthetic", "name", t.name, "step", j.Walk.Step.String()))
	}
	if len(t.ignored) > 0 {
		d.note(d.text("note.ignored", "name", t.name, "columns", strings.Join(t.ignored, ", ")))
	}
	if text := d.stretched(j); text != "" {
		d.note(text)
	}
	messy := count("unordered", l.unordered) + count("shared", l.shared) + count("irregular", l.irregular) + count("empty", l.empty)
	if messy != "" {
		d.note(d.text("note.laid", "name", t.name, "rows", strconv.Itoa(t.n), "step", j.Walk.Step.String()) + messy)
	}
}

func p2(s string) string { return "; " + s }

// output is one series on its way out.
type output struct {
	table *table
	laid  *laid
	judge detect.Judge
	out   *bufio.Writer
	// withSeries names the series in each CSV row, first is set for the first series of an output.
	withSeries, first bool
	series            string
}

// write writes the verdicts, draws the chart when one is asked for, and tells the outcome.
func (d *detectCommand) write(ctx context.Context, o output, from iter.Seq2[detect.Verdicts, error]) error {
	zone, err := o.judge.Walk.Location()
	if err != nil {
		return badInput(err)
	}
	h := head{
		Input: o.table.name, Series: o.series, Detector: d.detector, Mode: d.fitting.name(), Step: o.judge.Walk.Step.String(),
		step: o.judge.Walk.Step.Milliseconds(), lang: d.lang, zone: zone,
	}
	found, stop := newLookup(from, !o.laid.sorted || d.plot != "")
	defer stop()
	w := newWriter(o.out, d.outFormat(), h, o.withSeries, o.first)
	if err := found.each(o.table, o.laid, w.row); err != nil {
		return fmt.Errorf("%s: %w", o.table.name, err)
	}
	if err := w.end(found.episodes); err != nil {
		return fmt.Errorf("write the verdicts: %w", err)
	}
	if !d.quiet {
		d.outcome(o.table, h, found)
	}
	if d.plot == "" {
		return nil
	}
	return d.draw(o, h, joined(found.held))
}

// outcome is the line that a person reads at the end.
func (d *detectCommand) outcome(t *table, h head, found *lookup) {
	line := d.text("outcome", "name", t.name, "rows", strconv.Itoa(t.n), "step", h.Step, "detector", h.Detector, "episodes", strconv.Itoa(len(found.episodes)))
	for _, s := range sortedStates(found.states) {
		if s != detect.OK {
			line += p2(fmt.Sprintf("%s %d", s, found.states[s]))
		}
	}
	if found.merged > 0 {
		line += p2(fmt.Sprintf("%s %d", stateMerged, found.merged))
	}
	if d.fitting.review() {
		line += p2(d.text("review"))
	}
	d.note(line)
	if f := found.floor; !f.Beats() {
		d.note(d.text("floor", "detector", h.Detector, "own", detect.Format(f.Own), "floor", detect.Format(f.Floor)))
	}
	if p := found.promise; p.Budget > 0 && !d.fitting.review() {
		d.note(d.text("promise", "budget", detect.Format(p.Budget), "low", detect.Format(p.Low), "high", detect.Format(p.High)))
	}
	if text := found.choice.Text(d.lang); text != "" && !d.fitting.review() {
		d.note(text)
	}
}

func (d *detectCommand) draw(o output, h head, v detect.Verdicts) error {
	title := d.title
	if title == "" {
		title = filepath.Base(o.table.name)
		if o.series != "" && o.series != "{}" {
			title = o.series
		}
	}
	c := chart.Chart{Title: title, Subtitle: h.Detector, Verdicts: v, Zone: h.zone}
	if d.fitting.review() {
		c.Subtitle += ", mode review"
	}
	if err := c.Save(d.plot); err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	return nil
}
