package scorer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/prom"
	"github.com/foreshock/foreshock/pkg/series"
)

// evaluation is one rule at one time.
type evaluation struct {
	*Scorer
	rule   Rule
	source Source
	conf   Prometheus
	// history is how far back the server's samples reach, and cutAt when the series begin that it may have cut; 0: no doubt.
	history prom.History
	cutAt   int64
	// at is the time of the newest sample that is judged and from that of the first one that is written elsewhere too (from == at without
	// remote write).
	from, at int64
	// now is the time for which the evaluation was due; it stands for the clock, so that replicas decide alike.
	now int64
}

// recent is how many samples may be judged for what is published of a series: the newest one that is there counts, since the last ones are
// often not scraped yet. The data source does the same.
const recent = 5

// first is the time of the first sample that is judged.
func (e *evaluation) first() int64 {
	return min(e.from, e.at-(recent-1)*e.rule.Step.Milliseconds())
}

// newest returns the index of the newest sample that is there among the last few, -1 when there is none.
func newest(v detect.Verdicts) int {
	for i := len(v.State) - 1; i >= max(0, len(v.State)-recent); i-- {
		if v.State[i] != detect.Gap {
			return i
		}
	}
	return -1
}

// judged is one series and what was found in it.
type judged struct {
	labels   series.Labels
	verdicts detect.Verdicts
	err      error
}

// run asks, judges and returns what is to be published.
func (e *evaluation) run(ctx context.Context) (*snapshot, []judged, error) {
	walk, policy := e.rule.Walk, e.rule.Policy
	grid := walk.Fetch(e.first(), e.at, policy)
	answer, err := e.source.Range(ctx, e.rule.expanded(e.conf.ScrapeInterval), grid, e.now)
	if err != nil {
		e.failed(ctx, reason(err))
		return nil, nil, err
	}
	for _, w := range answer.Warnings {
		e.logger.Warn("the server warns", "rule", e.rule.Name, "warning", w)
	}
	for _, n := range answer.Notices {
		e.logger.Warn("the answer is not whole", "rule", e.rule.Name, "notice", n.Text)
	}
	e.cutAt, _ = e.history.Cut(answer.Set)
	live, gone := e.live(answer.Set)
	dropped := 0
	if n := len(live) - e.rule.MaxSeries; n > 0 {
		live, dropped = live[:e.rule.MaxSeries], n
	}
	live = e.mine(live)
	gone = e.mine(gone)
	found := e.judge(ctx, live)
	if err := ctx.Err(); err != nil {
		e.failed(ctx, "timeout")
		return nil, nil, fmt.Errorf("judge %d series: %w", len(live), err)
	}
	s, kept := e.publish(found)
	for _, g := range gone {
		s.states[policy.Missing(g, e.at)]++
	}
	dropped += len(found) - len(kept)
	m := e.metrics
	m.samples.WithLabelValues(e.rule.Name).Add(float64(len(live)) * float64(grid.N))
	m.series.WithLabelValues(e.rule.Name).Set(float64(len(live)))
	m.dropped.WithLabelValues(e.rule.Name).Set(float64(dropped + cut(answer)))
	return s, kept, nil
}

// failed counts a failure, but not the end of the program or a reload.
func (e *evaluation) failed(ctx context.Context, why string) {
	if !errors.Is(ctx.Err(), context.Canceled) {
		e.metrics.failures.WithLabelValues(e.rule.Name, why).Inc()
	}
}

// cut is 1 for an answer that a limit of the client cut: how much was left out is not known.
func cut(a prom.Answer) int {
	if a.Cut() {
		return 1
	}
	return 0
}

// live divides the series into those that are judged, since they have a sample there or their absence is watched, and those that are not.
func (e *evaluation) live(set series.Set) (live, gone []series.Series) {
	i, j := set.Grid.Clamp(e.first(), e.at+1)
	for _, s := range set.Members {
		here := false
		for _, x := range s.Values[i:j] {
			here = here || !isGap(x)
		}
		if here || e.rule.Policy.Watches(s, e.first()) {
			live = append(live, s)
		} else {
			gone = append(gone, s)
		}
	}
	return live, gone
}

// mine keeps the series of this scorer's shard.
func (e *evaluation) mine(all []series.Series) []series.Series {
	if e.shard.Count <= 1 {
		return all
	}
	var own []series.Series
	for _, s := range all {
		if e.shard.has(s.Labels) {
			own = append(own, s)
		}
	}
	return own
}

// judge judges the series on all cores. The slots are shared by all rules.
func (e *evaluation) judge(ctx context.Context, all []series.Series) []judged {
	var fitted atomic.Int64
	judge := e.rule.Judge
	judge.Detector = counting(judge.Detector, &fitted)
	judge.Fits = e.fits
	judge.HistoryStart = e.history.Start(e.at)
	found := make([]judged, len(all))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(all)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(all) || ctx.Err() != nil {
					return
				}
				v, err := e.one(ctx, judge, all[i])
				found[i] = judged{labels: all[i].Labels, verdicts: v, err: err}
			}
		})
	}
	wg.Wait()
	e.metrics.fits.WithLabelValues(e.rule.Name).Add(float64(fitted.Load()))
	return found
}

// one judges one series when there is a processor for it. A panic is an error of this series alone.
func (e *evaluation) one(ctx context.Context, judge detect.Judge, s series.Series) (v detect.Verdicts, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a fault of the program: %v\n%s", p, debug.Stack())
		}
	}()
	err = e.slotted(ctx, func() (err error) {
		v, err = judge.Series(ctx, s, e.first(), e.at)
		return err
	})
	return v, err
}

// publish makes the snapshot; kept are the series in it, without those that could not be judged or told apart.
func (e *evaluation) publish(found []judged) (s *snapshot, kept []judged) {
	// The next outcome is due within two intervals. One failed evaluation is bridged; then the values are withdrawn.
	s = &snapshot{states: map[detect.State]int{}, until: e.now + 3*e.rule.every()}
	own := ownLabels(e.rule, e.replica)
	taken := map[string]bool{}
	for _, f := range found {
		if f.err != nil {
			e.metrics.failures.WithLabelValues(e.rule.Name, "fit").Inc()
			e.logger.Warn("a series could not be judged", "rule", e.rule.Name, "series", f.labels.String(), "err", f.err)
			continue
		}
		labels := published(f.labels, own)
		key := labels.String()
		if taken[key] {
			e.metrics.failures.WithLabelValues(e.rule.Name, "duplicate_labels").Inc()
			e.logger.Warn("two series differ in their name only: one is left out; want an expression that keeps them apart", "rule", e.rule.Name, "series", f.labels.String())
			continue
		}
		taken[key] = true
		kept = append(kept, judged{labels: labels, verdicts: f.verdicts})
		v := f.verdicts
		i := newest(v)
		if i < 0 { // it has samples that are to be written elsewhere, but none that is new
			s.states[detect.Gap]++
			continue
		}
		s.states[v.State[i]]++
		if math.IsNaN(v.Score[i]) {
			continue
		}
		p := pointAt(v, i)
		p.labels, p.pairs = labels, pairs(labels)
		s.points = append(s.points, p)
	}
	return s, kept
}

// counting returns the detector with its fits counted.
func counting(d detect.Detector, n *atomic.Int64) detect.Detector {
	c := counted{d, n}
	if x, ok := d.(detect.Contexter); ok {
		return countedContext{c, x}
	}
	return c
}

// counted is a detector that counts its fits. To the cache it looks like the detector itself.
type counted struct {
	detect.Detector
	n *atomic.Int64
}

func (c counted) Fit(train detect.Train) (detect.Model, error) {
	c.n.Add(1)
	return c.Detector.Fit(train)
}

// MarshalJSON writes the options of the detector: they are part of a fit's key.
func (c counted) MarshalJSON() ([]byte, error) { return json.Marshal(c.Detector) }

type countedContext struct {
	counted
	detect.Contexter
}

// isCanceled reports an evaluation that ended because the program did.
func isCanceled(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.Canceled) && err != nil
}

// offset spreads the rules over the first tenth of their interval, five seconds at most: always the same for a rule, so that replicas
// judge the same samples at the same time, and late enough that a sample of this very moment has arrived.
func offset(r Rule) time.Duration {
	window := min(r.every()/10, 5000)
	if window <= 1 {
		return 0
	}
	h := series.Labels{{Name: "rule", Value: r.Name}}.Hash()
	h ^= h >> 33
	return time.Duration(window/2+int64(h%uint64(window/2))) * time.Millisecond
}
