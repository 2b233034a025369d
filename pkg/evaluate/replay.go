package evaluate

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
)

// weekMillis is what episodes are counted in.
const weekMillis = 7 * 24 * 60 * 60 * 1000

// Replay runs a detector and a policy again over the past, through the code that judges live: what it says of a sample is what the scorer would have published, provided
// that the history was the same then. Safe for concurrent use.
type Replay struct {
	// Judge is the detector with its options, walk and policy.
	Judge Judge
	// Workers replay so many series, vectors or fleets at once; 0: as many as there are processors.
	Workers int
	// Progress is told how many of them are done, one call at a time; nil: nobody.
	Progress func(done, of int)
}

// Replayed is what a replay found in one case.
type Replayed struct {
	// Verdicts is what was said of each sample of [From, To].
	Verdicts detect.Verdicts
	// Joint is what was said of each point of a vector; nil of others.
	Joint *detect.JointVerdicts
	// Episodes are those confirmed in [From, To]: an alert each, in order.
	Episodes []Raised
	// Weeks counts them by week: seven days each, back from To; the first may be shorter.
	Weeks []Week
	// Judged is how many samples had a verdict, and Exposure how many weeks they make.
	Judged   int
	Exposure float64
	// Incidents are the known ones that overlap what was judged, in order; nil where none are known.
	Incidents []Found
}

// Raised is one episode and whether it was right.
type Raised struct {
	detect.Episode
	// Known is set when incidents are known for the series, and Hit when the episode overlaps one.
	Known, Hit bool
	// Detail is what an episode of a vector was at its peak; nil of others.
	Detail *detect.JointDetail
}

// Explain tells in one sentence what the episode was; the arguments are as in Episode.Explain.
func (e Raised) Explain(lang string, zone *time.Location, step int64) string {
	if e.Detail != nil {
		return e.Detail.Explain(e.Episode, lang, zone, step)
	}
	return e.Episode.Explain(lang, zone, step)
}

// Found is one incident and the first episode that told of it.
type Found struct {
	Incident
	Hit bool
	// Delay is the time from the beginning of the incident to the confirmation, milliseconds; negative when the alert came first. Only with Hit.
	Delay int64
}

// Week is a stretch of at most seven days.
type Week struct {
	// From is the first and To the last time in it.
	From, To int64
	// Episodes were confirmed in it, False of them overlap no known incident.
	Episodes, False int
	// Exposure is the share of a week that had verdicts.
	Exposure float64
}

// False is how many episodes overlap no known incident.
func (r Replayed) False() int {
	n := 0
	for _, e := range r.Episodes {
		if !e.Hit {
			n++
		}
	}
	return n
}

// PerWeek is the number of false episodes a week of judged samples, NaN when none was judged.
func (r Replayed) PerWeek() float64 {
	if r.Judged == 0 {
		return math.NaN()
	}
	return float64(r.False()) / r.Exposure
}

// Case replays one case.
func (r Replay) Case(ctx context.Context, c Case) (Replayed, error) {
	found, err := r.unit(ctx, []Case{c})
	if err != nil {
		return Replayed{}, err
	}
	return found[0], nil
}

// unit replays cases that are judged at once.
func (r Replay) unit(ctx context.Context, all []Case) ([]Replayed, error) {
	verdicts, joint, err := r.Judge.judge(ctx, all)
	if err != nil {
		return nil, err
	}
	out := make([]Replayed, len(all))
	for i, v := range verdicts {
		one := r.told(v, all[i].Incidents)
		if one.Joint = joint; joint != nil {
			for k := range one.Episodes {
				e := &one.Episodes[k]
				at := slices.IndexFunc(v.Episodes, func(x detect.Episode) bool { return x.Confirmed == e.Confirmed })
				e.Detail = &joint.Details[at]
			}
		}
		one.weeks()
		out[i] = one
	}
	return out, nil
}

// told counts what was judged, and which episodes tell of which incidents.
func (r Replay) told(v detect.Verdicts, incidents []Incident) Replayed {
	out := Replayed{Verdicts: v}
	g := v.Series.Grid
	for _, x := range v.Score {
		if x == x {
			out.Judged++
		}
	}
	out.Exposure = float64(out.Judged) * float64(g.Step) / weekMillis
	for _, e := range v.Episodes {
		if e.Confirmed >= g.Start && e.Confirmed < g.End() {
			out.Episodes = append(out.Episodes, Raised{Episode: e, Known: incidents != nil})
		}
	}
	r.compare(&out, incidents)
	return out
}

// compare finds which episode tells of which incident. An episode takes up to m samples to be confirmed, so that it may begin so much after a short incident has ended.
func (r Replay) compare(out *Replayed, incidents []Incident) {
	g := out.Verdicts.Series.Grid
	slack := int64(r.Judge.Policy.M-1) * g.Step
	for _, inc := range incidents {
		i, j := g.Clamp(inc.From, inc.To+1)
		judged := slices.ContainsFunc(out.Verdicts.Score[i:j], func(x float64) bool { return x == x })
		f := Found{Incident: inc}
		for k := range out.Episodes {
			e := &out.Episodes[k]
			end := e.Ended
			if end == 0 {
				end = g.End()
			}
			if e.Began > inc.To+slack || end <= inc.From {
				continue
			}
			e.Hit = true
			if !f.Hit {
				f.Hit, f.Delay = true, e.Confirmed-inc.From
			}
		}
		if judged || f.Hit {
			out.Incidents = append(out.Incidents, f)
		}
	}
}

// weeks counts the episodes by week.
func (r *Replayed) weeks() {
	g := r.Verdicts.Series.Grid
	if g.N == 0 {
		return
	}
	n := int((int64(g.N)*g.Step + weekMillis - 1) / weekMillis)
	r.Weeks = make([]Week, n)
	for k := range r.Weeks {
		w := &r.Weeks[k]
		w.From, w.To = max(g.Start, g.End()-int64(n-k)*weekMillis), g.End()-int64(n-1-k)*weekMillis-g.Step
		i, j := g.Clamp(w.From, w.To+1)
		judged := 0
		for _, x := range r.Verdicts.Score[i:j] {
			if x == x {
				judged++
			}
		}
		w.Exposure = float64(judged) * float64(g.Step) / weekMillis
		for _, e := range r.Episodes {
			if e.Confirmed >= w.From && e.Confirmed <= w.To {
				w.Episodes++
				if !e.Hit {
					w.False++
				}
			}
		}
	}
}

// All replays many cases at once and hands each to keep, in no order and from several goroutines, with its index. Members of one fleet are judged together, once. The first
// error ends it.
func (r Replay) All(ctx context.Context, all []Case, keep func(i int, r Replayed)) error {
	together := units(all)
	return parallel(ctx, r.Workers, len(together), r.Progress, func(ctx context.Context, u int) error {
		found, err := r.unit(ctx, pick(all, together[u]))
		if err != nil {
			return fmt.Errorf("replay %s: %w", all[together[u][0]].Series.Labels, err)
		}
		for k, i := range together[u] {
			keep(i, found[k])
		}
		return nil
	})
}

// parallel calls do for 0…n−1 from several goroutines until all are done or one fails. A panic in do is a failure.
func parallel(ctx context.Context, workers, n int, progress func(done, of int), do func(ctx context.Context, i int) error) error {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		next atomic.Int64
		wg   sync.WaitGroup
		mu   sync.Mutex
		done int
	)
	for range min(workers, n) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return
				}
				if err := guarded(func() error { return do(ctx, i) }); err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				done++
				if progress != nil {
					progress(done, n)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// Panic is the error of a run that panicked over a series.
type Panic struct {
	Value any
	// Stack is where it was, for the log.
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("a fault of the program: %v", p.Value) }

// guarded turns a panic into a *Panic.
func guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Panic{Value: p, Stack: debug.Stack()}
		}
	}()
	return do()
}
