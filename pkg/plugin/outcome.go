package plugin

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
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
	clean   detect.Clean

	joint  bool         // vectors are judged
	judged []judged     // the series with samples in the shown range, sorted by labels
	absent int          // series without any
	cut    int          // series beyond the cap
	older  int          // episodes beyond the cap of a table
	unfit  atomic.Int64 // series that the clean-baseline filter says nothing of

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
	beaten   bool // by the value one period before
	choice   detect.Choice
	frame    *data.Frame          // of the outputs series and latest; nil when there is none
	details  []detect.JointDetail // of the episodes of a vector
	verdicts detect.Verdicts      // of a member of a fleet, until its frame is made
}

func (o *outcome) run(ctx context.Context) error {
	q, r := o.query, o.request
	if err := o.ask(ctx, func() (err error) {
		o.answer, err = r.Source.Range(ctx, o.expr, o.fetched)
		return err
	}); err != nil {
		return err
	}
	judge := detect.Judge{Name: q.Detector, Detector: q.detector, Walk: q.Walk, Policy: q.policy, Fits: r.Fits, HistoryStart: o.history.Start(r.Now.UnixMilli())}
	if q.Output == outputIntervals || q.Output == outputAnnotations {
		judge.Limits = detect.LimitsAbnormal
	}
	return o.timed(func() error { return o.judge(ctx, judge, o.choose()) })
}

// ask fetches what is judged, by the given function, then what the clean-baseline filter says, and the history.
func (o *outcome) ask(ctx context.Context, samples func() error) error {
	q, r := o.query, o.request
	o.fetched = q.Fetch(o.shown.Start, o.shown.At(o.shown.N-1), q.policy)
	began := r.Clock()
	if err := samples(); err != nil {
		return err
	}
	if strings.TrimSpace(q.Clean) != "" {
		expr, err := expandAs("clean", q.Clean, macros(q.Step, q.Train, r.Settings.TimeInterval))
		if err != nil {
			return inputError{err}
		}
		answer, err := r.Source.Range(ctx, expr, o.fetched)
		if err != nil {
			return fmt.Errorf("clean: %w", err)
		}
		o.clean = detect.NewClean(expr, answer.Set)
		o.remarks(answer)
	}
	o.history = r.History(ctx)
	o.asking = r.Clock().Sub(began)
	return nil
}

// remarks takes what another answer says besides its series.
func (o *outcome) remarks(a prom.Answer) {
	o.answer.Warnings = append(slices.Clip(o.answer.Warnings), a.Warnings...)
	o.answer.Infos = append(slices.Clip(o.answer.Infos), a.Infos...)
	o.answer.Notices = append(slices.Clip(o.answer.Notices), a.Notices...)
}

// mask returns where a series is fit for training.
func (o *outcome) mask(ls series.Labels) series.Series {
	mask, found := o.clean.Mask(ls)
	if !found {
		o.unfit.Add(1)
	}
	return mask
}

// timed judges, and takes the time and what the cache did.
func (o *outcome) timed(judge func() error) error {
	r := o.request
	began := r.Clock()
	before := fitStats(r.Fits)
	if err := judge(); err != nil {
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
	return inParallel(ctx, len(members), func(ctx context.Context, i int) error {
		s := members[i]
		v, err := j.Filtered(ctx, s, o.mask(s.Labels), o.shown.Start, o.shown.At(o.shown.N-1))
		if err != nil {
			return fmt.Errorf("detector %s: %w", o.query.Detector, err)
		}
		kept := judged{name: o.name(s.Labels), labels: s.Labels, episodes: v.Episodes, notices: v.Notices, promise: v.Calibration, beaten: !v.Floor.Beats(), choice: v.Choice}
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

// inParallel calls f for 0 to n−1 on all cores; one that panics fails.
func inParallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = panicked(p)
				}
			}()
			return f(ctx, i)
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
