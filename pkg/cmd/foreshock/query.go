package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// rangeQuery is the flags for input from Prometheus.
type rangeQuery struct {
	url, expr, from, to string
	http                httpFlags
}

func (q *rangeQuery) flags(p program, cmd *kingpin.CmdClause) {
	cmd.Flag("prometheus.url", p.text("help.prometheus.url")).PlaceHolder("URL").StringVar(&q.url)
	q.http.flags(p, cmd)
	cmd.Flag("query", p.text("help.query")).PlaceHolder("PROMQL").StringVar(&q.expr)
	cmd.Flag("from", p.text("help.from")).Default("now-1d").StringVar(&q.from)
	cmd.Flag("to", p.text("help.to")).Default("now").StringVar(&q.to)
}

func (q *rangeQuery) given() bool { return q.url != "" || q.expr != "" }

func (q *rangeQuery) check() error {
	switch {
	case q.url == "":
		return badInputf("got --query without --prometheus.url, want both")
	case strings.TrimSpace(q.expr) == "":
		return badInputf("got --prometheus.url without --query, want both")
	}
	return nil
}

// parseMoment reads now, now-6h, a number of seconds or milliseconds, or a date and time.
func parseMoment(flag, s string, now time.Time) (int64, error) {
	if rest, ok := strings.CutPrefix(s, "now"); ok {
		if rest == "" {
			return now.UnixMilli(), nil
		}
		if d, err := registry.ParseDuration(rest[1:]); err == nil && rest[0] == '-' {
			return now.Add(-d.Std()).UnixMilli(), nil
		}
	} else if t, ok := parseTime([]byte(s), unitAuto); ok {
		return t, nil
	}
	return 0, badInputf("%s: got %q, want now, now-6h, seconds since 1970 or a time like 2006-01-02T15:04:05Z", flag, s)
}

// runQuery judges a PromQL range: it fetches what the walk needs before --from, too.
func (d *detectCommand) runQuery(ctx context.Context) error {
	now := time.Now()
	from, err := parseMoment("--from", d.query.from, now)
	if err != nil {
		return err
	}
	to, err := parseMoment("--to", d.query.to, now)
	if err != nil {
		return err
	}
	if d.step == "auto" {
		d.step = detect.DefaultWalk().Step.String()
	}
	judge, err := d.at(d.step)
	if err != nil {
		return err
	}
	if text := d.stretched(judge); text != "" && !d.quiet {
		d.note(text)
	}
	grid := series.GridOver(from, to, judge.Walk.Step.Milliseconds())
	if grid.N == 0 {
		return badInputf("--from %s to --to %s holds no multiple of the step, which is %s", clock(from), clock(to), judge.Walk.Step)
	}
	fetch := grid
	if !d.fitting.review() {
		fetch = judge.Walk.Fetch(from, to, judge.Policy)
	}
	set, known, err := d.fetch(ctx, fetch)
	if err != nil {
		return err
	}
	judge.HistoryStart = known.Start(now.UnixMilli())
	var clean detect.Clean
	if d.clean != "" {
		filter, err := d.ask(ctx, "--clean", d.clean, fetch)
		if err != nil {
			return err
		}
		clean = detect.NewClean(d.clean, filter.Set)
	}
	if at, ok := known.Cut(set); ok && !d.quiet && !d.fitting.review() {
		d.note(d.text("note.history-cut", "time", clock(at), "train", judge.Walk.Train.String()))
	}
	return d.writeSet(ctx, set, clean, judge, grid)
}

// fetch asks for the samples, and how far back those of the server reach.
func (d *detectCommand) fetch(ctx context.Context, grid series.Grid) (series.Set, prom.History, error) {
	answer, err := d.ask(ctx, "--query", d.query.expr, grid)
	if err != nil {
		return series.Set{}, prom.History{}, err
	}
	client, err := d.query.http.client(d.query.url)
	if err != nil {
		return series.Set{}, prom.History{}, err
	}
	defer client.Close()
	known, _ := client.History(ctx, time.Now().UnixMilli()) // a proxy may let queries through and nothing else
	return answer.Set, known, nil
}

// ask asks for the samples of an expression, which a flag gave.
func (d *detectCommand) ask(ctx context.Context, flag, expr string, grid series.Grid) (prom.Answer, error) {
	client, err := d.query.http.client(d.query.url)
	if err != nil {
		return prom.Answer{}, err
	}
	defer client.Close()
	answer, err := client.Range(ctx, expr, grid)
	if err != nil {
		var failed *prom.Error
		if errors.As(err, &failed) && failed.Kind == prom.KindBadQuery {
			return prom.Answer{}, badInputf("%s: %w", flag, err)
		}
		return prom.Answer{}, err
	}
	if !d.quiet {
		for _, w := range answer.Warnings {
			d.note(w)
		}
		for _, n := range answer.Notices {
			d.note(n.Text)
		}
	}
	return answer, nil
}

// mask returns where a series is fit for training, and says when the filter knows nothing of it.
func (d *detectCommand) mask(clean detect.Clean, labels series.Labels) series.Series {
	mask, found := clean.Mask(labels)
	if !found && !d.quiet {
		d.note(d.text("note.unfit", "series", labels.String()))
	}
	return mask
}

// writeSet judges and writes each series of an answer.
func (d *detectCommand) writeSet(ctx context.Context, set series.Set, clean detect.Clean, judge detect.Judge, grid series.Grid) error {
	if len(set.Members) == 0 {
		return badInputf("--query: %s: the answer holds no series from %s to %s", d.query.expr, clock(set.Grid.Start), clock(grid.End()-grid.Step))
	}
	if d.plot != "" && len(set.Members) > 1 {
		return badInputf("--plot: the answer holds %d series, want a query for one", len(set.Members))
	}
	w := d.stdout
	if d.onlyPlot() {
		w = io.Discard
	}
	out := buffered(w)
	for i, s := range set.Members {
		o := seriesOutput(s, grid, judge)
		o.out, o.first, o.withSeries = out, i == 0, len(set.Members) > 1
		if err := d.write(ctx, o, d.judgeSeries(ctx, judge, s, d.mask(clean, s.Labels), grid)); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the verdicts: %w", err)
	}
	return nil
}

func (d *detectCommand) judgeSeries(ctx context.Context, judge detect.Judge, s, clean series.Series, grid series.Grid) iter.Seq2[detect.Verdicts, error] {
	if d.fitting.review() {
		return reviewed(judge, s, 0)
	}
	return func(yield func(detect.Verdicts, error) bool) {
		v, err := judge.Filtered(ctx, s, clean, grid.Start, grid.End()-grid.Step)
		yield(v, err)
	}
}

// seriesOutput makes rows of the judged range, stamped in Unix seconds.
func seriesOutput(s series.Series, grid series.Grid, judge detect.Judge) output {
	t := &table{name: s.Labels.String(), columns: []string{"value"}, rows: rows{width: 1}}
	part := s.Between(grid.Start, grid.End())
	var stamp []byte
	for i := range grid.N {
		at := grid.At(i)
		x := math.NaN()
		if k, ok := part.Grid.Index(at); ok {
			x = part.Values[k]
		}
		stamp = appendSeconds(stamp[:0], at)
		t.add(at, stamp, []float64{x})
	}
	l := &laid{set: series.Set{Grid: grid, Members: []series.Series{part}}, sorted: true}
	return output{table: t, laid: l, judge: judge, series: s.Labels.String()}
}

// appendSeconds writes milliseconds as seconds, with decimals where needed.
func appendSeconds(b []byte, ms int64) []byte {
	if ms%1000 == 0 {
		return strconv.AppendInt(b, ms/1000, 10)
	}
	return strconv.AppendFloat(b, float64(ms)/1000, 'f', 3, 64)
}
