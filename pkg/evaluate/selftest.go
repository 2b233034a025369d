package evaluate

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/series"
)

// SelfTest puts anomalies into a series of the user's own and tells which of them a detector and policy find, through the code that judges live. Only what is judged is
// changed: fits learn from the series as it is, so that every anomaly is the first of its kind. Into a vector they are put one dimension at a time, and into a fleet one
// member at a time, the others as they are. Safe for concurrent use.
type SelfTest struct {
	Judge Judge
	// Quick tests what the verdict needs and no more: two sizes of spikes, drops and shifts.
	Quick bool
	// Workers test so many cases at once; 0: as many as there are processors.
	Workers int
	// Progress is told how many cases are done; nil: nobody.
	Progress func(done, of int)
}

// moves is what detectors of several series are held to: each of them is to see when one of the series goes where it never was.
const moves = detect.Spike | detect.Drop | detect.Shift

// catches are the kinds that the detector is held to.
func (t SelfTest) catches() detect.Kinds {
	if t.Judge.Shape() == ShapeSeries {
		return t.Judge.Detector.Catches()
	}
	return moves
}

// judged judges a changed copy of the case's series, by fits on everything as it is.
func (t SelfTest) judged(ctx context.Context, c Case, changed series.Series) (detect.Verdicts, error) {
	switch t.Judge.Shape() {
	case ShapeJoint:
		found, err := t.Judge.joint().Against(ctx, *c.Vector, c.Clean, c.withDimension(changed.Values), c.From, c.To)
		if err != nil {
			return detect.Verdicts{}, err
		}
		usual := found.Usual[c.Row] // its own, not that of the dimension that leads
		found.Series, found.Expected, found.Lower, found.Upper = found.Vector.Dimension(c.Row), usual.Expected, usual.Lower, usual.Upper
		return found.Verdicts, nil
	case ShapePeers:
		found, err := t.Judge.peers().Against(ctx, *c.Fleet, c.withMember(changed), c.From, c.To)
		if err != nil {
			return detect.Verdicts{}, err
		}
		return found[c.Row], nil
	}
	return t.Judge.Against(ctx, c.Series, c.Clean, changed, c.From, c.To)
}

// TestOutcome is the verdict of a self-test.
type TestOutcome string

// The verdicts.
const (
	Passed    TestOutcome = "passed"
	Failed    TestOutcome = "failed"
	NotTested TestOutcome = "not-tested"
)

// The kinds of what is put in, in the order of reports.
const (
	KindSpike    = "spike"
	KindDrop     = "drop"
	KindShift    = "shift"
	KindRamp     = "ramp"
	KindSeason   = "season"
	KindFlatline = "flatline"
)

// SelfTested is what a self-test found in one series.
type SelfTested struct {
	Labels series.Labels
	// Deviation is what sizes are counted in: the usual distance of a sample from the median of its time of the day (1.4826 × the median distance, within an hour of that
	// time, over all days). It differs by the time of the day; this is its median.
	Deviation float64
	// Tail is the share of ordinary samples farther than four of them from the median of their time, and Light whether that is less than one in a thousand.
	Tail  float64
	Light bool
	// Exposure is how many weeks were judged, and Episodes how many the series has as it is, known incidents left out.
	Exposure float64
	Episodes int
	// Restless is the share of judged samples that are abnormal, or a new level, as the series is.
	Restless float64
	Kinds    []KindResult
	Outcome  TestOutcome
	// Reasons say why, the most important first.
	Reasons []Reason
}

// PerWeek is the number of false episodes a week, NaN when nothing was judged.
func (s SelfTested) PerWeek() float64 { return float64(s.Episodes) / s.Exposure }

// KindResult is how one kind of anomaly was found, by size.
type KindResult struct {
	Kind string
	// Hours is set where sizes are hours, not deviations.
	Hours bool
	// Declared is set for kinds that the detector says it catches; only these decide the verdict.
	Declared bool
	// Skipped says why the kind was not tested: "unwanted" by the policy, "no-season" in the series, "no-room" for it; "" when it was.
	Skipped string
	Rungs   []Rung
}

// Rung is one size.
type Rung struct {
	// Size is in deviations or hours; +Inf stands for one that nobody can overlook: as far beyond everything ever seen as the series is high.
	Size float64
	// Places is where it was put in, Found where an episode was confirmed in time.
	Places, Found int
	// Delay is the median time from its beginning to the confirmation, milliseconds, of those found.
	Delay int64
	// Rank is the median share of ordinary samples that score below its highest score.
	Rank float64
}

// Share is how many were found, 0 to 1; NaN without a place.
func (r Rung) Share() float64 { return float64(r.Found) / float64(r.Places) }

// Smallest returns the smallest size from which on at least that share was found, NaN when none was.
func (k KindResult) Smallest(share float64) float64 {
	size := math.NaN()
	for i := len(k.Rungs) - 1; i >= 0; i-- {
		if r := k.Rungs[i]; r.Places > 0 {
			if !(r.Share() >= share) {
				break
			}
			size = r.Size
		}
	}
	return size
}

// At returns the rung of a size.
func (k KindResult) At(size float64) (Rung, bool) {
	for _, r := range k.Rungs {
		if r.Size == size && r.Places > 0 {
			return r, true
		}
	}
	return Rung{}, false
}

// Reason is one sentence of a verdict, by its key in the catalogue.
type Reason struct {
	Key  string
	Args []any
}

// Text returns it in a language.
func (r Reason) Text(lang string) string {
	args := slices.Clone(r.Args)
	for i := 1; i < len(args); i += 2 {
		if k, ok := args[i].(kindName); ok {
			args[i] = message.Text(lang, "selftest.kind."+string(k))
		}
	}
	return message.Text(lang, "selftest.reason."+r.Key, args...)
}

// kindName is an argument that is written in the reader's language.
type kindName string

// All tests many series at once and hands each to keep, in no order and from several goroutines, with its index. The first error ends it.
func (t SelfTest) All(ctx context.Context, all []Case, keep func(i int, s SelfTested)) error {
	return parallel(ctx, t.Workers, len(all), t.Progress, func(ctx context.Context, i int) error {
		one, err := t.Case(ctx, all[i])
		if err != nil {
			return fmt.Errorf("self-test of %s: %w", all[i].Series.Labels, err)
		}
		keep(i, one)
		return nil
	})
}

// Case tests one series. What is known to have been abnormal in it is neither changed nor counted.
func (t SelfTest) Case(ctx context.Context, c Case) (SelfTested, error) {
	out := SelfTested{Labels: c.Series.Labels, Deviation: math.NaN(), Tail: math.NaN()}
	if t.Judge.Fits == nil { // every size is judged by the same fits
		t.Judge.Fits = detect.NewFits(64 << 20)
	}
	asItIs, err := t.judged(ctx, c, c.Series)
	if err != nil {
		return out, err
	}
	clean := Replay{Judge: t.Judge}.told(asItIs, c.Incidents)
	out.Exposure, out.Episodes = clean.Exposure, clean.False()
	if clean.Judged == 0 {
		out.Outcome, out.Reasons = NotTested, []Reason{{Key: "unjudged", Args: []any{"state", MostOf(clean.Verdicts).String()}}}
		return out, nil
	}
	loc, err := t.Judge.Walk.Location()
	if err != nil {
		return out, err
	}
	usual := c.Series.Between(c.From-t.Judge.Walk.Train.Milliseconds(), c.To+1)
	d := usualDistances(usual, loc, c.Incidents)
	out.Deviation, out.Tail = d.typical, d.tail
	out.Light = out.Tail < lightTail
	if !(out.Deviation > 0) {
		out.Outcome, out.Reasons = NotTested, []Reason{{Key: "unjudged", Args: []any{"state", detect.Constant.String()}}}
		return out, nil
	}
	for i, x := range clean.Verdicts.Score {
		if x == x && (clean.Verdicts.Anomalous[i] || clean.Verdicts.State[i] == detect.Shifted) {
			out.Restless += 1 / float64(clean.Judged)
		}
	}
	b := newBench(t, c, clean, d, usual)
	for _, k := range b.kinds() {
		if err := k.climb(ctx); err != nil {
			return out, err
		}
		out.Kinds = append(out.Kinds, k.KindResult)
	}
	budget, _ := BudgetOf(t.Judge.Options())
	out.Outcome, out.Reasons = verdict(out, budget)
	return out, nil
}

// A series is light-tailed when less than lightTail of its samples lie beyond farOut deviations: 6e-5 of a normal distribution do, 3e-3 of a logistic one and 1.6e-2 of a
// Laplace one, which are not.
const (
	farOut    = 4
	lightTail = 1e-3
)

// MostOf returns the state that most samples are in, of those that are there.
func MostOf(v detect.Verdicts) detect.State {
	most := detect.Gap
	n := 0
	for _, x := range v.Notices {
		if x.State != detect.Gap && x.State != detect.Stale && x.Samples > n {
			most, n = x.State, x.Samples
		}
	}
	return most
}
