package scorer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
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
	// unknown is of how many series the clean filter says nothing: nothing was learnt of them.
	unknown int
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

// judged is one series, or one vector, and what was found in it.
type judged struct {
	labels   series.Labels
	verdicts detect.Verdicts
	joint    *detect.JointVerdicts // of a vector
	outputs  []output
	err      error
}

// run asks, judges and returns what is to be published.
func (e *evaluation) run(ctx context.Context) (*snapshot, []judged, error) {
	grid := e.rule.Walk.Fetch(e.first(), e.at, e.rule.Policy)
	answer, err := e.rule.ask(ctx, e.source, e.conf, grid, e.now)
	if err != nil {
		e.failed(ctx, reason(err))
		return nil, nil, err
	}
	for _, w := range answer.warnings {
		e.logger.Warn("the server warns", "rule", e.rule.Name, "warning", w)
	}
	e.cutAt, _ = e.history.Cut(answer.whole)
	all, err := e.rule.units(answer)
	if err != nil {
		e.failed(ctx, "query")
		return nil, nil, err
	}
	live, gone, dropped := e.live(all)
	live = e.mine(live)
	gone = e.mine(gone)
	found := e.judge(ctx, live, answer.clean)
	if err := ctx.Err(); err != nil {
		e.failed(ctx, "timeout")
		return nil, nil, fmt.Errorf("judge %d of the rule's: %w", len(live), err)
	}
	s, kept := e.publish(found)
	for _, g := range gone {
		s.states[e.rule.Policy.Missing(g.presence(), e.at)]++
	}
	samples := 0
	for _, u := range live {
		samples += u.rows() * grid.N
	}
	m := e.metrics
	m.samples.WithLabelValues(e.rule.Name).Add(float64(samples))
	m.series.WithLabelValues(e.rule.Name).Set(float64(len(found)))
	m.dropped.WithLabelValues(e.rule.Name).Set(float64(dropped + len(found) - len(kept) + answer.cut))
	return s, kept, nil
}

// failed counts a failure, but not the end of the program or a reload.
func (e *evaluation) failed(ctx context.Context, why string) {
	if !errors.Is(ctx.Err(), context.Canceled) {
		e.metrics.failures.WithLabelValues(e.rule.Name, why).Inc()
	}
}

// live divides the units into those that are judged, since they have a sample there or their absence is watched, and those that are not; and leaves out those beyond the limit of
// series. A fleet is left out whole: what is said of a member depends on all of them.
func (e *evaluation) live(all []unit) (live, gone []unit, dropped int) {
	count := 0
	for _, u := range all {
		n := 0
		switch {
		case e.rule.Kind == kindPeers:
			for _, m := range u.members {
				if e.there(m) {
					n++
				} else {
					gone = append(gone, unit{labels: u.labels, members: []series.Series{m}})
				}
			}
		case e.there(u.presence()):
			n = 1
		default:
			gone = append(gone, u)
		}
		if n == 0 {
			continue
		}
		if count+n > e.rule.MaxSeries {
			dropped += n
			continue
		}
		count += n
		live = append(live, u)
	}
	return live, gone, dropped
}

// there reports whether a series is judged.
func (e *evaluation) there(s series.Series) bool {
	i, j := s.Grid.Clamp(e.first(), e.at+1)
	return slices.ContainsFunc(s.Values[i:j], func(x float64) bool { return !isGap(x) }) || e.rule.Policy.Watches(s, e.first())
}

// judges are a rule's judge with what an evaluation adds to it.
func (e *evaluation) judges(fitted *atomic.Int64) Rule {
	r := e.rule
	start := e.history.Start(e.at)
	switch r.Kind {
	case kindJoint:
		r.Joint.Detector, r.Joint.Fits, r.Joint.HistoryStart = countedJoint{r.Joint.Detector, counts{r.Joint.Detector, fitted}}, e.fits, start
	case kindPeers:
		r.Peers.Detector, r.Peers.Fits, r.Peers.HistoryStart = countedPeers{r.Peers.Detector, counts{r.Peers.Detector, fitted}}, e.fits, start
	default:
		r.Judge.Detector, r.Judge.Fits, r.Judge.HistoryStart = counted{r.Judge.Detector, counts{r.Judge.Detector, fitted}}, e.fits, start
	}
	return r
}

// judge judges the units on all cores. The slots are shared by all rules.
func (e *evaluation) judge(ctx context.Context, all []unit, clean detect.Clean) []judged {
	var fitted, next, unknown atomic.Int64
	rule := e.judges(&fitted)
	found := make([][]judged, len(all))
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(all)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(all) || ctx.Err() != nil {
					return
				}
				one, err := e.one(ctx, rule, all[i], clean, &unknown)
				if err != nil {
					one = []judged{{labels: all[i].labels, err: err}}
				}
				found[i] = one
			}
		})
	}
	wg.Wait()
	e.unknown = int(unknown.Load())
	e.metrics.fits.WithLabelValues(e.rule.Name).Add(float64(fitted.Load()))
	return slices.Concat(found...)
}

// one judges one unit when there is a processor for it. A panic is an error of this unit alone.
func (e *evaluation) one(ctx context.Context, rule Rule, u unit, clean detect.Clean, unknown *atomic.Int64) (out []judged, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a fault of the program: %v\n%s", p, debug.Stack())
		}
	}()
	err = e.slotted(ctx, func() (err error) {
		switch rule.Kind {
		case kindPeers:
			fleet, n := u.fleet(clean)
			unknown.Add(int64(n))
			verdicts, err := rule.Peers.Fleet(ctx, fleet, e.first(), e.at)
			for i, v := range verdicts {
				if m := u.members[i]; e.there(m) {
					out = append(out, judged{labels: m.Labels, verdicts: v})
				}
			}
			return err
		case kindJoint:
			v, err := rule.Joint.Vector(ctx, u.vector, known(clean, u.labels, unknown), e.first(), e.at)
			out = []judged{{labels: u.labels, verdicts: v.Verdicts, joint: &v}}
			return err
		}
		v, err := rule.Judge.Filtered(ctx, u.members[0], known(clean, u.labels, unknown), e.first(), e.at)
		out = []judged{{labels: u.labels, verdicts: v}}
		return err
	})
	return out, err
}

// known returns where labels are fit for training, and counts those of which the filter says nothing.
func known(clean detect.Clean, labels series.Labels, unknown *atomic.Int64) series.Series {
	mask, found := clean.Mask(labels)
	if !found {
		unknown.Add(1)
	}
	return mask
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
		f.outputs = f.make(labels, own)
		kept = append(kept, f)
		i := newest(f.verdicts)
		if i < 0 { // it has samples that are to be written elsewhere, but none that is new
			s.states[detect.Gap]++
			continue
		}
		s.states[f.verdicts.State[i]]++
		s.add(f, i)
	}
	return s, kept
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
