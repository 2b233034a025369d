package detect

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// JudgeJoint runs one joint detector over one walk, as Judge does for single series. Safe for concurrent use.
type JudgeJoint struct {
	// Name is the registered name of the detector and Detector its options.
	Name     string
	Detector Joint
	Walk     Walk
	Policy   Policy
	// Fits is where fits are kept; nil fits every time.
	Fits *Fits
	// HistoryStart is as in Judge.
	HistoryStart int64
}

// JointVerdicts is what was found for each point of [from, to].
type JointVerdicts struct {
	// Verdicts has the scores, states and episodes. Its Series holds the values of the dimension that contributes most to each point, Expected, Lower and Upper the usual
	// range of that dimension.
	Verdicts
	// Vector holds the judged points.
	Vector series.Vector
	// Leading is the index of the dimension that contributes most, -1 where there is no score.
	Leading []int
	// Contributions[d] sum to Score over the dimensions; NaN where there is no score, or where the fit does not have the dimension. Usual[d] are the limits of a dimension's
	// usual range over time.
	Contributions [][]float64
	Usual         []Range
	// Break tells what kind of abnormal each point is.
	Break []Break
	// Details has an entry for each of Episodes.
	Details []JointDetail
}

// Range holds limits over time; NaN where nothing is known.
type Range struct{ Expected, Lower, Upper []float64 }

// JointDetail is what a joint episode was at its peak.
type JointDetail struct {
	Break Break
	// Parts are the dimensions of the fit, those that contribute most first.
	Parts []Part
}

// Part is one dimension at the peak of an episode.
type Part struct {
	Name string
	// Share is its contribution as a share of the score.
	Share                          float64
	Actual, Expected, Lower, Upper float64
}

// Validate reports a policy that vectors cannot have.
func (j JudgeJoint) Validate() error {
	if j.Policy.Direction != "both" {
		return fmt.Errorf("parameter \"direction\": got %q, want both: a vector has no up and down", j.Policy.Direction)
	}
	return j.Policy.unwatched("a vector")
}

// Vector judges the points of v stamped in [from, to], learning from the points at which clean has a value (the zero clean: from all). v must cover Walk.Fetch(from, to,
// Policy); what it lacks counts as gaps. Each fit has the dimensions with a sample in its training window, so that a verdict does not depend on who else was there at other times.
// It fails only when ctx ends, when the policy cannot be, when a training window has too many dimensions (ErrDimensions), or when a fit fails for another reason than too little
// data.
func (j JudgeJoint) Vector(ctx context.Context, v series.Vector, clean series.Series, from, to int64) (JointVerdicts, error) {
	return j.Against(ctx, v, clean, v, from, to)
}

// Against judges the points of v by fits that learn from another past of the same dimensions, as Judge.Against does for single series.
func (j JudgeJoint) Against(ctx context.Context, past series.Vector, clean series.Series, v series.Vector, from, to int64) (JointVerdicts, error) {
	if err := j.Validate(); err != nil {
		return JointVerdicts{}, fmt.Errorf("judge %s: %w", v.Labels, err)
	}
	step := j.Walk.Step.Milliseconds()
	if v.Grid.Step != step || past.Grid.Step != step {
		return JointVerdicts{}, fmt.Errorf("judge %s: points %d ms apart, want the step of the walk, %d ms", v.Labels, v.Grid.Step, step)
	}
	loc, err := j.Walk.Location()
	if err != nil {
		return JointVerdicts{}, err
	}
	out := series.GridOver(from, to, step)
	grid := series.GridOver(j.Walk.judged(out.Start, j.Policy), to, step)
	presence := v.Presence()
	g := jointWalk{JudgeJoint: j, past: past, v: v, clean: clean, loc: loc}
	g.walker = walker{Judge: Judge{Walk: j.Walk, Policy: j.Policy, HistoryStart: j.HistoryStart}, ctx: ctx, past: past.Presence(), s: presence, window: cover(presence, grid), r: NewResult(grid.N)}
	g.walker.stretch = g.stretch
	g.found = newJointVerdicts(v.Cover(grid))
	if err := g.walker.score(); err != nil {
		return JointVerdicts{}, fmt.Errorf("judge %s: %w", v.Labels, err)
	}
	if err := j.Policy.mute(grid, g.walker.r, loc); err != nil {
		return JointVerdicts{}, err
	}
	return g.verdicts(out), nil
}

func newJointVerdicts(v series.Vector) JointVerdicts {
	n := v.Grid.N
	nan := func() []float64 { return series.New(nil, series.Grid{N: n}).Values }
	out := JointVerdicts{Vector: v, Leading: slices.Repeat([]int{-1}, n), Break: make([]Break, n)}
	for range v.Values {
		out.Contributions = append(out.Contributions, nan())
		out.Usual = append(out.Usual, Range{nan(), nan(), nan()})
	}
	return out
}

// jointWalk is one vector on its walk.
type jointWalk struct {
	JudgeJoint
	walker walker
	past   series.Vector // what fits learn from
	v      series.Vector // what is judged
	clean  series.Series
	loc    *time.Location
	found  JointVerdicts
}

// stretch fits at anchor a and scores points [i, j) of the window.
func (g *jointWalk) stretch(a int64, i, j int) error {
	train := g.past.Between(a-g.Walk.Train.Milliseconds(), a)
	who := there(train.Set())
	if len(who) > maxDimensions {
		return fmt.Errorf("%w: %d, want at most %d: aggregate them, or group them by a label", ErrDimensions, len(who), maxDimensions)
	}
	train = masked(train.Pick(who), g.clean)
	w := fitWindow{
		kind: "joint", name: g.Name, options: g.Detector, labels: train.Labels, grid: train.Grid, zone: g.loc, n: g.Policy.N, m: g.Policy.M,
		names: train.Names, values: train.Values,
	}
	model, err := shared(g.walker.ctx, g.Fits, w, func() (JointModel, error) {
		return g.Detector.Fit(JointTrain{Vector: train, Zone: g.loc, N: g.Policy.N, M: g.Policy.M})
	})
	if err != nil {
		return fmt.Errorf("fit: %w", err)
	}
	before := contextOf(g.Detector, g.v.Grid.Step)
	grid, recent := g.walker.asked(a, before, j)
	r, err := model.Score(g.v.Pick(who).Cover(grid), before)
	if err != nil {
		return fmt.Errorf("score: %w", err)
	}
	g.walker.promised(model)
	g.take(r, who, recent, i, j)
	return nil
}

// there returns the indices of the members with a sample.
func there(set series.Set) []int {
	var out []int
	for k, s := range set.Members {
		if s.FirstPresent() >= 0 {
			out = append(out, k)
		}
	}
	return out
}

// masked returns the vector with gaps wherever clean has none.
func masked(v series.Vector, clean series.Series) series.Vector {
	if clean.Grid.Step == 0 {
		return v
	}
	out := v
	out.Values = make([][]float64, len(v.Values))
	for d := range v.Values {
		out.Values[d] = v.Dimension(d).Where(clean).Values
	}
	return out
}

// take writes the last j−i entries of r, which has the given dimensions, to points [i, j).
func (g *jointWalk) take(r JointResult, who []int, recent, i, j int) {
	nan := math.NaN()
	flat := NewResult(len(r.Score))
	copy(flat.Score, r.Score)
	copy(flat.State, r.State)
	for k := range flat.Expected {
		flat.Expected[k], flat.Lower[k], flat.Upper[k] = nan, nan, nan
	}
	// A vector has one side: away. What stays there for most of the horizon is its new place.
	markShifted(make([]float64, len(r.Score)), flat, recent)
	g.walker.copy(flat, i, j)
	k := len(r.Score) - (j - i)
	copy(g.found.Break[i:j], r.Break[k:])
	for d, c := range r.Contributions {
		copy(g.found.Contributions[who[d]][i:j], c[k:])
		u := g.found.Usual[who[d]]
		for n := i; n < j; n++ {
			u.Expected[n], u.Lower[n], u.Upper[n] = r.Expected[d], r.Lower[d], r.Upper[d]
		}
	}
}

// verdicts applies the policy, and cuts to what was asked for.
func (g *jointWalk) verdicts(out series.Grid) JointVerdicts {
	f := &g.found
	r := g.walker.r
	leading := series.New(g.v.Labels, f.Vector.Grid)
	policy := r
	policy.Expected = slices.Clone(r.Expected)
	for i := range r.Score {
		if r.Score[i] != r.Score[i] {
			continue
		}
		d := f.lead(i)
		f.Leading[i] = d
		leading.Values[i] = f.Vector.Values[d][i]
		u := f.Usual[d]
		r.Expected[i], r.Lower[i], r.Upper[i] = u.Expected[i], u.Lower[i], u.Upper[i]
		// The least change that counts is that of a dimension that left its range. Where none did, the change is not one of size.
		if f.Break[i] != Correlation {
			policy.Expected[i] = r.Expected[i]
		}
	}
	all := newVerdicts(leading, r)
	all.Calibration = g.walker.promise
	all.Episodes = g.Policy.run(leading, policy, &all)
	f.Verdicts = all.last(out, g.Policy.outage(out.Step))
	f.last(out)
	return *f
}

// lead returns the dimension that contributes most at i, of those that have a sample.
func (f *JointVerdicts) lead(i int) int {
	best, most := 0, math.Inf(-1)
	for d, c := range f.Contributions {
		if x := f.Vector.Values[d][i]; c[i] > most && x == x {
			best, most = d, c[i]
		}
	}
	return best
}

// last cuts to the points of the grid and tells what the episodes were; their peaks may lie before it.
func (f *JointVerdicts) last(grid series.Grid) {
	f.Details = make([]JointDetail, len(f.Episodes))
	for e, ep := range f.Episodes {
		f.Details[e] = f.detail(ep)
	}
	i, n := f.Vector.Grid.N-grid.N, f.Vector.Grid.N
	f.Vector = f.Vector.Slice(i, n)
	f.Leading, f.Break = f.Leading[i:], f.Break[i:]
	for d := range f.Contributions {
		u := f.Usual[d]
		f.Contributions[d], f.Usual[d] = f.Contributions[d][i:], Range{u.Expected[i:], u.Lower[i:], u.Upper[i:]}
	}
}

// detail tells what an episode was at its peak.
func (f *JointVerdicts) detail(e Episode) JointDetail {
	i, ok := f.Vector.Grid.Index(e.PeakAt)
	if !ok {
		return JointDetail{}
	}
	out := JointDetail{Break: f.Break[i]}
	for d, name := range f.Vector.Names {
		if c := f.Contributions[d][i]; c != c {
			continue
		}
		u := f.Usual[d]
		share := 0.0
		if e.Peak > 0 {
			share = f.Contributions[d][i] / e.Peak
		}
		out.Parts = append(out.Parts, Part{Name: name, Share: share, Actual: f.Vector.Values[d][i], Expected: u.Expected[i], Lower: u.Lower[i], Upper: u.Upper[i]})
	}
	slices.SortStableFunc(out.Parts, func(a, b Part) int {
		switch {
		case a.Share > b.Share:
			return -1
		case a.Share < b.Share:
			return 1
		}
		return 0
	})
	return out
}

// told is how many dimensions a reason names.
const told = 3

// Explain tells in one sentence what a joint episode was: how the dimensions differ from what is usual, which of them make it, since when and for how long. The
// arguments are as in Episode.Explain.
func (d JointDetail) Explain(e Episode, lang string, loc *time.Location, step int64) string {
	if loc == nil {
		loc = time.UTC
	}
	var parts []string
	for _, p := range d.Parts[:min(told, len(d.Parts))] {
		if p.Share < 0.05 && len(parts) > 0 || p.Actual != p.Actual {
			continue
		}
		parts = append(parts, message.Text(lang, "detect.joint.part", "name", p.Name, "value", Format(p.Actual), "lower", Format(p.Lower), "upper", Format(p.Upper),
			"share", Format(100*p.Share)))
	}
	return message.Text(lang, "detect.joint."+d.Break.String(),
		"parts", strings.Join(parts, message.Text(lang, "detect.joint.separator")), "score", Format(e.Peak),
		"since", time.UnixMilli(e.Began).In(loc).Format("2006-01-02 15:04:05 MST"),
		"duration", registry.Duration(time.Duration(int64(e.Samples)*step)*time.Millisecond).String())
}
