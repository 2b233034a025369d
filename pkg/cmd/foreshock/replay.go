package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/chart"
	"github.com/foreshock/foreshock/pkg/evaluate"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// replayCommand is `foreshock replay`.
type replayCommand struct {
	program
	lookback
	budget, format, plot string
	rule                 string
}

func (p program) addReplay(app *kingpin.Application) (string, command) {
	r := &replayCommand{program: p}
	cmd := app.Command("replay", p.text("help.replay"))
	r.lookback.flags(p, cmd, "14d")
	cmd.Flag("budget", p.text("help.replay.budget")).PlaceHolder("N/week").StringVar(&r.budget)
	cmd.Flag("rule", p.text("help.replay.rule")).Default("replayed").StringVar(&r.rule)
	cmd.Flag("format", p.text("help.replay.format")).Default("table").StringVar(&r.format)
	cmd.Flag("plot", p.text("help.replay.plot")).PlaceHolder("DIR").StringVar(&r.plot)
	return cmd.FullCommand(), r.run
}

func (r *replayCommand) run(ctx context.Context) error {
	if err := oneOf("--format", r.format, []string{"table", "csv", "json"}); err != nil {
		return err
	}
	want := math.NaN()
	if r.budget != "" {
		var err error
		if want, err = parseRate("--budget", r.budget); err != nil {
			return err
		}
	}
	r.divide = func(v series.Vector) []evaluate.Case { return []evaluate.Case{evaluate.VectorCase(v)} }
	all, err := r.load(ctx, r.program)
	if err != nil {
		return err
	}
	var searched *evaluate.Searched
	if want == want {
		if searched, err = r.search(ctx, all, want); err != nil {
			return err
		}
	}
	report, err := r.replay(ctx, all)
	if err != nil {
		return err
	}
	report.search, report.want = searched, want
	r.unjudged(report)
	return r.write(report)
}

// search finds the setting and puts it in force for what is replayed then.
func (r *replayCommand) search(ctx context.Context, all []past, want float64) (*evaluate.Searched, error) {
	var found *evaluate.Searched
	err := byJudge(all, func(judge evaluate.Judge, index []int) error {
		if len(index) < len(all) {
			return badInputf("--budget: the files have different steps: give --step")
		}
		if judge.Fits == nil {
			judge.Fits = newFits()
		}
		f, err := evaluate.Replay{Judge: judge, Progress: r.reporter(r.quiet, "progress.series")}.Search(ctx, casesOf(all, index), want)
		if errors.Is(err, evaluate.ErrNothingJudged) {
			return badInputf("--last: got %s: %w", r.last, err)
		}
		if err != nil {
			return err
		}
		found = &f
		for _, i := range index {
			all[i].judge = f.Chosen().Judge
		}
		return nil
	})
	return found, err
}

// replayReport is what a run found.
type replayReport struct {
	all    []past
	found  []evaluate.Replayed
	search *evaluate.Searched
	want   float64
}

func (r *replayCommand) replay(ctx context.Context, all []past) (replayReport, error) {
	report := replayReport{all: all, found: make([]evaluate.Replayed, len(all))}
	if r.plot != "" {
		if err := os.MkdirAll(r.plot, 0o777); err != nil {
			return report, badInputf("--plot: %w", err)
		}
	}
	err := byJudge(all, func(judge evaluate.Judge, index []int) error {
		run := evaluate.Replay{Judge: judge, Progress: r.reporter(r.quiet, "progress.series")}
		var failed drawing
		err := run.All(ctx, casesOf(all, index), func(k int, one evaluate.Replayed) {
			i := index[k]
			if r.plot != "" {
				failed.keep(r.draw(i, all[i], one))
			}
			one.Verdicts.Score, one.Verdicts.Expected, one.Verdicts.Lower, one.Verdicts.Upper, one.Verdicts.Onset = nil, nil, nil, nil, nil
			one.Verdicts.Anomalous, one.Verdicts.State, one.Joint = nil, nil, nil // told by now: a long range of many series would fill the memory
			report.found[i] = one
		})
		return errors.Join(err, failed.err)
	})
	return report, err
}

// unjudged tells of what had no verdict at all, and why.
func (r *replayCommand) unjudged(report replayReport) {
	for i, f := range report.found {
		if f.Judged > 0 || r.quiet {
			continue
		}
		r.note(r.text("note.unjudged", "name", report.all[i].name, "state", evaluate.MostOf(f.Verdicts).String()))
	}
}

// draw draws the chart of one series.
func (r *replayCommand) draw(i int, p past, one evaluate.Replayed) error {
	c := chart.Chart{Title: filepath.Base(p.name), Subtitle: p.judge.Name + ", replay", Verdicts: one.Verdicts, Zone: p.zone}
	if one.Joint != nil {
		c.Parts = chart.PartsOf(*one.Joint)
	}
	for _, x := range one.Incidents {
		c.Marks = append(c.Marks, chart.Mark{At: x.From, Text: "incident"})
	}
	name := fmt.Sprintf("%03d-%s.png", i+1, fileName(p.name))
	if err := c.Save(filepath.Join(r.plot, name)); err != nil && !errors.Is(err, chart.ErrEmpty) {
		return fmt.Errorf("draw %s: %w", name, err)
	}
	return nil
}

// fileName keeps of a series' name what any file system takes.
func fileName(name string) string {
	name = strings.TrimSuffix(strings.TrimSuffix(filepath.Base(name), ".gz"), ".csv")
	out := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c):
			return c
		}
		return '_'
	}, name)
	if len(out) > 80 {
		out = out[:80]
	}
	return strings.Trim(out, "_.")
}

func (r *replayCommand) write(report replayReport) error {
	out := buffered(r.stdout)
	var err error
	switch r.format {
	case "json":
		err = r.json(out, report)
	case "csv":
		r.rows(out, report)
	default:
		r.table(out, report)
		r.chosen(out, report)
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return fmt.Errorf("write the replay: %w", err)
	}
	if r.format != "table" && report.search != nil {
		r.note(r.searchLine(report))
	}
	return nil
}

// table writes what a person reads: a row for each series, the weeks, and every episode with its reason.
func (r *replayCommand) table(out interface{ Write([]byte) (int, error) }, report replayReport) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	known := false
	for _, f := range report.found {
		known = known || f.Incidents != nil
	}
	columns := []string{"series", "judged", "episodes", "per-week", "interval"}
	if known {
		columns = append(columns, "false", "hits", "missed", "delay")
	}
	r.header(w, columns)
	var total total
	for i, f := range report.found {
		r.summary(w, report.all[i].name, known, totalOf(f))
		total.add(totalOf(f))
	}
	if len(report.found) > 1 {
		r.summary(w, r.text("replay.all"), known, total)
	}
	_ = w.Flush() // a write error comes back from the last flush
	fmt.Fprintln(out)
	r.header(w, []string{"week", "series-judged", "episodes", "per-week"})
	for _, x := range weeksOf(report) {
		fmt.Fprintf(w, "%s\t%.1f\t%d\t%s\n", x.name, x.exposure, x.episodes, rate(x.episodes, x.exposure))
	}
	_ = w.Flush()
	fmt.Fprintln(out)
	columns = []string{"began", "confirmed", "ended", "series", "score", "reason"}
	if known {
		columns = append([]string{"right"}, columns...)
	}
	r.header(w, columns)
	for i, f := range report.found {
		p := report.all[i]
		for _, e := range f.Episodes {
			if known {
				fmt.Fprintf(w, "%s\t", r.text("replay.right."+rightness(e)))
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.2f\t%s\n", p.at(e.Began), p.at(e.Confirmed), p.at(e.Ended), p.name, e.Peak, e.Explain(r.lang, p.zone, p.judge.Walk.Step.Milliseconds()))
		}
	}
	_ = w.Flush()
}

func rightness(e evaluate.Raised) string {
	switch {
	case !e.Known:
		return "unknown"
	case e.Hit:
		return "hit"
	}
	return "false"
}

func (p past) at(ms int64) string {
	if ms == 0 {
		return "–"
	}
	return time.UnixMilli(ms).In(p.zone).Format("2006-01-02 15:04:05")
}

func (r *replayCommand) header(w *tabwriter.Writer, columns []string) {
	for i, c := range columns {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, r.text("replay.column."+c))
	}
	fmt.Fprintln(w)
}

// rate is a number of episodes a week with its interval, a dash where nothing was judged.
func rate(n int, exposure float64) string {
	if exposure == 0 {
		return "–"
	}
	return strconv.FormatFloat(float64(n)/exposure, 'f', 2, 64)
}

func interval(n int, exposure float64) string {
	if exposure == 0 {
		return "–"
	}
	low, high := evaluate.RateInterval(n, exposure)
	return fmt.Sprintf("[%.2f, %.2f]", low, high)
}

func (r *replayCommand) summary(w *tabwriter.Writer, name string, known bool, t total) {
	fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s", name, registry.Duration(time.Duration(t.exposure*7*24*3600)*time.Second), t.episodes, rate(t.wrong, t.exposure), interval(t.wrong, t.exposure))
	if known {
		fmt.Fprintf(w, "\t%d\t%d\t%d\t%s", t.wrong, t.hits, t.incidents-t.hits, t.delay())
	}
	fmt.Fprintln(w)
}

// chosen writes what the search came to: every setting tried, and the chosen one as a rule and as a query.
func (r *replayCommand) chosen(out interface{ Write([]byte) (int, error) }, report replayReport) {
	if report.search == nil {
		return
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	r.header(w, []string{"budget", "n-of-m", "min-rel", "episodes", "per-week", "interval", "hits"})
	for i, s := range report.search.Tried {
		mark := ""
		if i == report.search.Best {
			mark = "  " + r.text("replay.chosen")
		}
		budget := "–"
		if s.Budget == s.Budget {
			budget = strconv.FormatFloat(s.Budget, 'g', 4, 64)
		}
		fmt.Fprintf(w, "%s\t%d/%d\t%g\t%d\t%s\t%s\t%d/%d%s\n", budget, s.N, s.M, s.MinRel, s.Episodes, rate(s.Episodes, s.Exposure), interval(s.Episodes, s.Exposure), s.Hits, s.Incidents, mark)
	}
	_ = w.Flush()
	fmt.Fprintf(out, "\n%s\n", r.searchLine(report))
	rule, query := r.texts(report)
	fmt.Fprintf(out, "\n%s\n%s\n%s\n%s\n", r.text("replay.rule"), rule, r.text("replay.query"), query)
}

func (r *replayCommand) searchLine(report replayReport) string {
	key := "replay.met"
	if !report.search.Met {
		key = "replay.not-met"
	}
	s := report.search.Chosen()
	return r.text(key, "want", strconv.FormatFloat(report.want, 'g', 3, 64), "rate", rate(s.Episodes, s.Exposure), "interval", interval(s.Episodes, s.Exposure))
}

func (r *replayCommand) texts(report replayReport) (rule, query string) {
	judge := report.search.Chosen().Judge
	rule, err1 := evaluate.RuleText(r.rule, r.asked(), judge)
	query, err2 := evaluate.QueryText(r.asked(), judge)
	if err := errors.Join(err1, err2); err != nil {
		return err.Error(), ""
	}
	return rule, query
}

// rows writes one CSV row for each episode.
func (r *replayCommand) rows(out interface{ WriteString(string) (int, error) }, report replayReport) {
	joint := r.kind == evaluate.ShapeJoint
	head := "series,began,confirmed,ended,direction,peak,peak_at,right,reason\n"
	if joint {
		head = "series,began,confirmed,ended,kind,peak,peak_at,contributions,right,reason\n"
	}
	_, _ = out.WriteString(head)
	for i, f := range report.found {
		p := report.all[i]
		for _, e := range f.Episodes {
			o := r.episode(p, e)
			right := rightness(e)
			if right == "unknown" {
				right = ""
			}
			cells := []string{quoted(p.name), o.Began, o.Confirmed, o.Ended, o.Direction, string(appendFloat(nil, o.Peak)), o.PeakAt, right, quoted(o.Reason)}
			if joint {
				cells[4] = e.Detail.Break.String()
				cells = slices.Insert(cells, 7, quoted(shares(*e.Detail)))
			}
			_, _ = out.WriteString(strings.Join(cells, ",") + "\n")
		}
	}
}

// episode spells one out, with the reason that its shape has.
func (r *replayCommand) episode(p past, e evaluate.Raised) episode {
	h := head{lang: r.lang, zone: p.zone, step: p.judge.Walk.Step.Milliseconds()}
	out := h.episode(e.Episode)
	out.Reason = e.Explain(h.lang, h.zone, h.step)
	return out
}

func (r *replayCommand) json(out interface{ Write([]byte) (int, error) }, report replayReport) error {
	type incident struct {
		From string `json:"from"`
		To   string `json:"to"`
		Hit  bool   `json:"hit"`
		// Delay is seconds from the beginning to the confirmation.
		Delay *float64 `json:"delay_seconds,omitempty"`
	}
	type raised struct {
		episode
		// Kind and Contributions are those of a vector: what broke, and each dimension's share of the score.
		Kind          string             `json:"kind,omitempty"`
		Contributions map[string]float64 `json:"contributions,omitempty"`
		Right         string             `json:"right"`
	}
	type one struct {
		Series    string     `json:"series"`
		Detector  string     `json:"detector"`
		Weeks     float64    `json:"weeks_judged"`
		PerWeek   *float64   `json:"per_week"`
		Episodes  []raised   `json:"episodes"`
		Incidents []incident `json:"incidents,omitempty"`
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	for i, f := range report.found {
		p := report.all[i]
		o := one{Series: p.name, Detector: p.judge.Name, Weeks: f.Exposure, Episodes: []raised{}}
		if x := f.PerWeek(); x == x {
			o.PerWeek = &x
		}
		for _, x := range f.Episodes {
			told := raised{episode: r.episode(p, x), Right: rightness(x)}
			if x.Detail != nil {
				told.Direction, told.Kind, told.Contributions = "", x.Detail.Break.String(), map[string]float64{}
				for _, part := range x.Detail.Parts {
					told.Contributions[part.Name] = part.Share
				}
			}
			o.Episodes = append(o.Episodes, told)
		}
		for _, x := range f.Incidents {
			n := incident{From: time.UnixMilli(x.From).In(p.zone).Format(time.RFC3339), To: time.UnixMilli(x.To).In(p.zone).Format(time.RFC3339), Hit: x.Hit}
			if x.Hit {
				sec := float64(x.Delay) / 1000
				n.Delay = &sec
			}
			o.Incidents = append(o.Incidents, n)
		}
		if err := e.Encode(o); err != nil {
			return err
		}
	}
	if report.search == nil {
		return nil
	}
	rule, query := r.texts(report)
	s := report.search.Chosen()
	return e.Encode(map[string]any{"met": report.search.Met, "per_week": s.PerWeek, "low": s.Low, "high": s.High, "rule": rule, "query": json.RawMessage(query)})
}
