package plugin

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"golang.org/x/sync/errgroup"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// outcome is a detect query and what came of it.
type outcome struct {
	query   *detectQuery
	request Request
	expr    string      // as it was sent
	shown   series.Grid // the verdicts that are shown
	fetched series.Grid
	answer  prom.Answer
	history prom.History

	judged []judged // the series with samples in the shown range, sorted by labels
	absent int      // series without any
	cut    int      // series beyond the cap
	older  int      // episodes beyond the cap of a table

	asking, judging time.Duration
	fits            detect.FitStats // what the cache did meanwhile
}

// judged is what is kept of one series: the verdicts of a long range would fill the memory, so each output takes what it needs at once.
type judged struct {
	name     string // what the legend shows
	labels   series.Labels
	episodes []detect.Episode
	notices  []detect.Notice
	promise  detect.Calibration
	frame    *data.Frame // of the outputs series and latest; nil when there is none
}

func (o *outcome) run(ctx context.Context) error {
	q, r := o.query, o.request
	o.fetched = q.Fetch(o.shown.Start, o.shown.At(o.shown.N-1), q.policy)
	began := r.Clock()
	var err error
	if o.answer, err = r.Source.Range(ctx, o.expr, o.fetched); err != nil {
		return err
	}
	o.history = r.History(ctx)
	judge := detect.Judge{Name: q.Detector, Detector: q.detector, Walk: q.Walk, Policy: q.policy, Fits: r.Fits, HistoryStart: o.history.Start(r.Now.UnixMilli())}
	o.asking = r.Clock().Sub(began)

	began = r.Clock()
	before := fitStats(r.Fits)
	members := o.choose()
	if err := o.judge(ctx, judge, members); err != nil {
		return err
	}
	after := fitStats(r.Fits)
	o.fits = detect.FitStats{Hits: after.Hits - before.Hits, Misses: after.Misses - before.Misses, Bytes: after.Bytes, Models: after.Models}
	o.judging = r.Clock().Sub(began)
	return nil
}

func fitStats(f *detect.Fits) detect.FitStats {
	if f == nil {
		return detect.FitStats{}
	}
	return f.Stats()
}

// choose returns the series that are judged: those with a sample in the shown range, or whose absence is watched, the first by labels up to the cap. Series that
// ended before it are in the answer because the training window is.
func (o *outcome) choose() []series.Series {
	var members []series.Series
	for _, s := range o.answer.Set.Members {
		if s.Between(o.shown.Start, o.shown.End()).Present() == 0 && !o.query.policy.Watches(s, o.shown.Start) {
			o.absent++
			continue
		}
		members = append(members, s)
	}
	if limit := o.request.Settings.MaxSeries; len(members) > limit {
		o.cut = len(members) - limit
		members = members[:limit]
	}
	return members
}

// frames returns the frames of the series that have one; empty when none has, since there is always a frame to carry the notices.
func (o *outcome) frames(empty *data.Frame) data.Frames {
	var frames data.Frames
	for _, j := range o.judged {
		if j.frame != nil {
			frames = append(frames, j.frame)
		}
	}
	if len(frames) == 0 {
		frames = data.Frames{empty}
	}
	return frames
}

func (o *outcome) judge(ctx context.Context, j detect.Judge, members []series.Series) error {
	o.judged = make([]judged, len(members))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, s := range members {
		g.Go(func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = panicked(p)
				}
			}()
			v, err := j.Series(ctx, s, o.shown.Start, o.shown.At(o.shown.N-1))
			if err != nil {
				return fmt.Errorf("detector %s: %w", o.query.Detector, err)
			}
			kept := judged{name: o.name(s.Labels), labels: s.Labels, episodes: v.Episodes, notices: v.Notices, promise: v.Calibration}
			switch o.query.Output {
			case outputSeries:
				kept.frame = o.seriesFrame(kept.name, v, lookOf(o.request.RefID, i, len(members)))
			case outputLatest:
				kept.frame = latestFrame(kept.name, v)
			}
			o.judged[i] = kept
			return nil
		})
	}
	return g.Wait()
}

// name returns what the legend shows for a series: the query's legend with its labels filled in, else the series as Prometheus
// writes it, else the expression.
func (o *outcome) name(ls series.Labels) string {
	if n := strings.TrimSpace(legend(o.query.Legend, ls)); n != "" {
		return n
	}
	if len(ls) > 0 {
		return ls.String()
	}
	return o.query.Expr
}

// legend fills {{label}} in a template with the values of labels; a label that the series does not have is empty.
func legend(template string, ls series.Labels) string {
	var b strings.Builder
	for {
		before, rest, open := strings.Cut(template, "{{")
		label, after, closed := strings.Cut(rest, "}}")
		if !open || !closed {
			b.WriteString(template)
			return b.String()
		}
		b.WriteString(before)
		b.WriteString(ls.Get(strings.TrimSpace(label)))
		template = after
	}
}
