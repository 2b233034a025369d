package main

import (
	"context"
	"encoding/csv"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// lookback is the flags of commands that run a detector again over the past: files or PromQL, how far back, and what is known to have been abnormal.
type lookback struct {
	judging
	shape
	query                       rangeQuery
	files, values               []string
	unit, label, incidents, bad string
	last, clean                 string
	cases                       pastCases
	quiet                       bool
}

// past is one series, vector, dimension or member to look back over.
type past struct {
	name string
	evaluate.Case
	judge evaluate.Judge
	zone  *time.Location
}

func (l *lookback) flags(p program, cmd *kingpin.CmdClause, last string) {
	cmd.Arg("file", p.text("help.file")).StringsVar(&l.files)
	l.judging.flags(p, cmd)
	cmd.GetFlag("fit").Hidden()
	l.shape.flags(p, cmd)
	cmd.Flag("last", p.text("help.last")).Default(last).StringVar(&l.last)
	cmd.Flag("to", p.text("help.lookback.to")).Default("now").StringVar(&l.query.to)
	cmd.Flag("prometheus.url", p.text("help.prometheus.url")).PlaceHolder("URL").StringVar(&l.query.url)
	l.query.http.flags(p, cmd)
	cmd.Flag("query", p.text("help.query")).PlaceHolder("PROMQL").StringVar(&l.query.expr)
	cmd.Flag("clean", p.text("help.clean")).PlaceHolder("COLUMN|PROMQL").StringVar(&l.clean)
	cmd.Flag("value", p.text("help.value")).PlaceHolder("COLUMN").StringsVar(&l.values)
	cmd.Flag("time-unit", p.text("help.time-unit")).Default("auto").StringVar(&l.unit)
	cmd.Flag("label", p.text("help.label")).PlaceHolder("COLUMN").StringVar(&l.label)
	cmd.Flag("incidents", p.text("help.incidents")).PlaceHolder("FILE.csv").StringVar(&l.incidents)
	cmd.Flag("incidents.query", p.text("help.incidents.query")).PlaceHolder("PROMQL").StringVar(&l.bad)
	l.cases.flags(p, cmd)
	cmd.Flag("quiet", p.text("help.quiet")).Short('q').BoolVar(&l.quiet)
}

// check reports flags that contradict each other, before anything is read.
func (l *lookback) check() (registry.Duration, error) {
	for i, f := range l.files {
		if f == standardInput {
			l.files[i] = "-"
		}
	}
	if err := l.readShape(&l.judging); err != nil {
		return 0, err
	}
	if l.fitting.mode != "anchored" {
		return 0, badInputf("--fit: got %q, want anchored: what is run again is what an alert would have said", l.fit)
	}
	if err := oneOf("--time-unit", l.unit, unitNames); err != nil {
		return 0, err
	}
	last, err := registry.ParseDuration(l.last)
	if err != nil || last <= 0 {
		return 0, badInputf("--last: got %q, want a duration like 14d", l.last)
	}
	switch {
	case l.asks() && len(l.files) > 0:
		return 0, badInputf("got files and --prometheus.url or --query, want either")
	case l.asks():
		if err := l.checkQuery(l.query); err != nil {
			return 0, err
		}
		if l.label != "" {
			return 0, badInputf("--label: got %q with --query, want --incidents.query: an answer has no label column", l.label)
		}
	case len(l.files) == 0:
		return 0, badInputf("got no input, want CSV files, - for standard input, or --prometheus.url with --query")
	case l.bad != "":
		return 0, badInputf("--incidents.query: got %q without --query, want --label or --incidents for files", l.bad)
	}
	return last, nil
}

// asks reports whether the input comes from a server.
func (l *lookback) asks() bool { return l.query.given() || len(l.dimensions) > 0 }

// load reads what is to be looked back over.
func (l *lookback) load(ctx context.Context, p program) ([]past, error) {
	last, err := l.check()
	if err != nil {
		return nil, err
	}
	var told []evaluate.Incident
	if l.incidents != "" {
		if told, err = readIncidents(l.incidents, p, timeUnits[l.unit]); err != nil {
			return nil, err
		}
	}
	if l.asks() {
		return l.fromServer(ctx, p, last, told)
	}
	var all []past
	for _, f := range l.files {
		found, err := l.fromFile(p, f, last, told)
		if err != nil {
			return nil, err
		}
		cases, err := l.cases.read(ctx, p, found[0].From, found[0].To)
		if err != nil {
			return nil, err
		}
		for i := range found {
			if cases != nil { // a file has no labels: all that were chosen are about it
				found[i].Incidents = evaluate.Joined(found[i].Incidents, evaluate.IncidentsAbout(nil, cases))
			}
		}
		all = append(all, found...)
	}
	return all, nil
}

// fromFile reads the last part of a file, and before it what fits learn from.
func (l *lookback) fromFile(p program, name string, last registry.Duration, told []evaluate.Incident) ([]past, error) {
	options := csvOptions{unit: timeUnits[l.unit], values: l.values, clean: l.clean, step: l.rowStep()}
	t, err := readFile(name, p.stdin, options)
	if err != nil {
		return nil, err
	}
	columns, err := l.columns(t, name)
	if err != nil {
		return nil, err
	}
	step := l.step
	if step == "auto" {
		if ms := medianSpacing(t); ms >= 1000 && ms <= 86_400_000 {
			step = spell(ms)
		} else if ms != 0 {
			return nil, badInputf("%s: the rows are %s apart (median), want 1s to 1d: give --step", name, spell(ms))
		} else {
			step = detect.DefaultWalk().Step.String()
		}
	}
	judge, zone, err := l.judgeAt(step)
	if err != nil {
		return nil, err
	}
	laid, err := lay(t, judge.Walk.Step.Milliseconds())
	if err != nil {
		return nil, err
	}
	_, laid, clean := takeClean(t, laid, l.clean)
	grid := laid.set.Grid
	to := grid.End() - grid.Step
	if l.query.to != "now" {
		if to, err = parseMoment("--to", l.query.to, time.Now()); err != nil {
			return nil, err
		}
	}
	if last.Milliseconds() < grid.Step {
		return nil, badInputf("--last: got %s, want at least the step, which is %s", l.last, judge.Walk.Step)
	}
	from := max(grid.Start, to-last.Milliseconds()+grid.Step)
	if from > min(to, grid.End()-grid.Step) {
		return nil, badInputf("--to: got %s, but %s holds rows from %s to %s, want a time among them", l.query.to, name, clock(grid.Start), clock(grid.End()-grid.Step))
	}
	incidents := told
	if l.label != "" {
		found, err := l.labelled(p, name, options, judge.Walk.Step.Milliseconds())
		if err != nil {
			return nil, err
		}
		incidents = append(append([]evaluate.Incident{}, told...), found...)
	}
	out := l.rows(name, laid.set, columns, clean)
	for i := range out {
		out[i].judge, out[i].zone = judge, zone
		out[i].From, out[i].To, out[i].Incidents = from, to, incidents
	}
	return out, nil
}

// rowStep is the distance of rows without timestamp: the step, a minute when that is to be found.
func (j *judging) rowStep() int64 {
	judge, err := j.at(j.step)
	if err != nil { // "auto"; everything else was checked by then
		return detect.DefaultWalk().Step.Milliseconds()
	}
	return judge.Walk.Step.Milliseconds()
}

// labelled reads the column of a file that says what was abnormal.
func (l *lookback) labelled(p program, name string, options csvOptions, step int64) ([]evaluate.Incident, error) {
	if name == "-" {
		return nil, badInputf("--label: got %q with standard input, which can be read once: want a file", l.label)
	}
	options.values, options.clean = []string{l.label}, ""
	marks, err := readFile(name, p.stdin, options)
	if err != nil {
		return nil, err
	}
	marked, err := lay(marks, step)
	if err != nil {
		return nil, err
	}
	return evaluate.Incidents(marked.set.Members[0]), nil
}

// judgeAt returns the judge for that step, and where its days begin.
func (l *lookback) judgeAt(step string) (evaluate.Judge, *time.Location, error) {
	judge, err := l.at(step)
	if err != nil {
		return evaluate.Judge{}, nil, err
	}
	zone, err := judge.Walk.Location()
	return l.judgeOf(judge), zone, err
}

// fromServer asks for the samples, and for those of the expression that says what was abnormal.
func (l *lookback) fromServer(ctx context.Context, p program, last registry.Duration, told []evaluate.Incident) ([]past, error) {
	now := time.Now()
	to, err := parseMoment("--to", l.query.to, now)
	if err != nil {
		return nil, err
	}
	step := l.step
	if step == "auto" {
		step = detect.DefaultWalk().Step.String()
	}
	judge, zone, err := l.judgeAt(step)
	if err != nil {
		return nil, err
	}
	to = series.Floor(to, judge.Walk.Step.Milliseconds())
	from := to - last.Milliseconds() + judge.Walk.Step.Milliseconds()
	client, err := l.query.http.client(l.query.url)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ask := l.asker(ctx, p, client)
	grid := judge.Walk.Fetch(from, to, judge.Policy)
	sets, err := l.askAll(ask, grid, to)
	if err != nil {
		return nil, err
	}
	var bad []series.Series
	if l.bad != "" {
		marks, err := ask("--incidents.query", l.bad, series.GridOver(from, to, judge.Walk.Step.Milliseconds()))
		if err != nil {
			return nil, err
		}
		bad = marks.Members
	}
	pastCases, err := l.cases.read(ctx, p, from, to)
	if err != nil {
		return nil, err
	}
	var clean detect.Clean
	if l.clean != "" {
		filter, err := ask("--clean", l.clean, grid)
		if err != nil {
			return nil, err
		}
		clean = detect.NewClean(l.clean, filter)
	}
	known, _ := client.History(ctx, now.UnixMilli()) // a proxy may let queries through and nothing else
	judge.HistoryStart = known.Start(now.UnixMilli())
	judge.Fits = detect.NewFits(fitBytes)
	mask := func(labels series.Labels) series.Series {
		mask, fit := clean.Mask(labels)
		if !fit && !l.quiet {
			p.note(p.text("note.unfit", "series", labels.String()))
		}
		return mask
	}
	found, err := l.units(sets, mask)
	if err != nil {
		return nil, err
	}
	var all []past
	for _, one := range found {
		one.From, one.To, one.Incidents, one.judge, one.zone = from, to, told, judge, zone
		if !one.Live() {
			continue // it ended before
		}
		if l.bad != "" {
			one.Incidents = append(append([]evaluate.Incident{}, told...), evaluate.IncidentsOf(one.Series.Labels, bad)...)
		}
		if pastCases != nil {
			one.Incidents = evaluate.Joined(one.Incidents, evaluate.IncidentsAbout(one.Series.Labels, pastCases))
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, badInputf("--last: got %s, but no series of the answer has a sample from %s to %s, want a time in which some have", l.last, clock(from), clock(to))
	}
	l.unmatched(p, all, bad)
	return all, nil
}

// asker returns what asks the server, and tells what it remarks. Its error names the flag.
func (l *lookback) asker(ctx context.Context, p program, client *prom.Client) func(flag, expr string, grid series.Grid) (series.Set, error) {
	return func(flag, expr string, grid series.Grid) (series.Set, error) {
		answer, err := client.Range(ctx, expr, grid)
		var failed *prom.Error
		if errors.As(err, &failed) && failed.Kind == prom.KindBadQuery {
			return series.Set{}, badInputf("%s: %w", flag, err)
		}
		if err == nil && !l.quiet {
			for _, w := range answer.Warnings {
				p.note(w)
			}
			for _, n := range answer.Notices {
				p.note(n.Text)
			}
		}
		return answer.Set, err
	}
}

// unmatched tells of series of --incidents.query with labels that nothing that is judged has: they count for nobody.
func (l *lookback) unmatched(p program, all []past, bad []series.Series) {
	for _, s := range bad {
		if l.quiet || len(evaluate.Incidents(s)) == 0 {
			continue
		}
		if !slices.ContainsFunc(all, func(one past) bool { return len(evaluate.IncidentsOf(one.Series.Labels, []series.Series{s})) > 0 }) {
			p.note(p.text("note.unmatched", "series", s.Labels.String()))
		}
	}
}

// fitBytes is the memory for models that a run keeps: a search fits the same windows again and again.
const fitBytes = 256 << 20

// readIncidents reads rows of from,to: times as in other files.
func readIncidents(name string, p program, u unit) ([]evaluate.Incident, error) {
	in := p.stdin
	if name != standardInput {
		f, err := os.Open(name)
		if err != nil {
			return nil, badInputf("--incidents: %w", err)
		}
		defer f.Close()
		in = f
	}
	reader := csv.NewReader(in)
	reader.FieldsPerRecord = -1
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, badInputf("--incidents: %s: %w", name, err)
	}
	out := []evaluate.Incident{}
	for i, row := range rows {
		if len(row) < 2 {
			return nil, badInputf("%s:%d: got %d columns, want from,to", name, i+1, len(row))
		}
		from, ok1 := parseTime([]byte(strings.TrimSpace(row[0])), u)
		to, ok2 := parseTime([]byte(strings.TrimSpace(row[1])), u)
		switch {
		case i == 0 && !ok1 && !ok2: // a header
		case !ok1 || !ok2:
			return nil, badInputf("%s:%d: got %q, want two times: seconds since 1970 or RFC 3339", name, i+1, clip(strings.Join(row, ",")))
		case to < from:
			return nil, badInputf("%s:%d: the incident ends at %s, before it begins at %s", name, i+1, row[1], row[0])
		default:
			out = append(out, evaluate.Incident{From: from, To: to})
		}
	}
	return out, nil
}

// byJudge calls do for each step among the inputs, with the indices of those that have it: files may differ in it.
func byJudge(all []past, do func(judge evaluate.Judge, index []int) error) error {
	var steps []registry.Duration
	index := map[registry.Duration][]int{}
	for i, c := range all {
		if index[c.judge.Walk.Step] == nil {
			steps = append(steps, c.judge.Walk.Step)
		}
		index[c.judge.Walk.Step] = append(index[c.judge.Walk.Step], i)
	}
	for _, step := range steps {
		if err := do(all[index[step][0]].judge, index[step]); err != nil {
			return err
		}
	}
	return nil
}

func casesOf(all []past, index []int) []evaluate.Case {
	cases := make([]evaluate.Case, len(index))
	for k, i := range index {
		cases[k] = all[i].Case
	}
	return cases
}

// reporter returns a function that tells on standard error how far the work is, at most every progressAfter.
func (p program) reporter(quiet bool, key string) func(done, of int) {
	if quiet {
		return nil
	}
	var mu sync.Mutex
	told := time.Now()
	return func(done, of int) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(told) >= progressAfter && done < of {
			told = now
			p.note(p.text(key, "done", strconv.Itoa(done), "of", strconv.Itoa(of)))
		}
	}
}

// parseRate reads "2/week", "0.5/day" or "2", which is a week.
func parseRate(flag, s string) (float64, error) {
	text, unit, given := strings.Cut(s, "/")
	x, err := strconv.ParseFloat(text, 64)
	perWeek := map[string]float64{"week": 1, "day": 7, "month": 12.0 / 52.1775, "": 1}
	factor, known := perWeek[unit]
	if err != nil || !(x >= 0) || x > 1e6 || !known || given && unit == "" {
		return 0, badInputf("%s: got %q, want a number of episodes like 2/week, 0.5/day or 1/month", flag, s)
	}
	return x * factor, nil
}
