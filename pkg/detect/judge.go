package detect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/series"
)

// Judge runs one detector over one walk: it fits at the anchors, scores from them, and applies the policy. Safe for concurrent use.
type Judge struct {
	// Name is the registered name of the detector and Detector its options.
	Name     string
	Detector Detector
	Walk     Walk
	Policy   Policy
	// Fits is where fits are kept; nil fits every time.
	Fits *Fits
	// HistoryStart is the earliest time (milliseconds) for which the source still holds samples; 0 when it does not say. A training
	// window that reaches back beyond it, and finds the series only from there on, is not shortened in silence: its samples are HistoryGone.
	HistoryStart int64
	// Limits says for which samples the limits are found, of detectors where that costs more than the score.
	Limits Limits
}

// Limits says which samples get limits (Lower and Upper) where they cost more than the score. Abnormal ones always do: their reasons are told by them.
type Limits uint8

const (
	// LimitsShown finds them for all samples that were asked for.
	LimitsShown Limits = iota
	// LimitsAbnormal finds them for abnormal samples only: for whoever draws no band.
	LimitsAbnormal
)

// Verdicts is what was found for each sample of [from, to]. All slices have the length of Series.Values.
type Verdicts struct {
	// Series holds the judged samples.
	Series series.Series
	// Score is the level of each sample, Expected, Lower and Upper its band; NaN where State tells why.
	Score, Expected, Lower, Upper []float64
	// Onset is the highest score of the confirming window at the sample that confirms an episode, else 0; NaN where there is no score.
	Onset []float64
	// Anomalous is true while an episode is open.
	Anomalous []bool
	State     []State
	// Episodes are those that overlap [from, to], in order. One that began earlier keeps its true beginning.
	Episodes []Episode
	// Notices count the samples that could not be judged, by reason.
	Notices []Notice
	// Calibration is what the newest fit promises of false episodes; zero where there is none.
	Calibration Calibration
	// Floor tells whether the newest fit beats the value one period before; zero where it was not compared.
	Floor Comparison
	// Choice is what the newest fit chose, and why; zero where its detector leaves no choice.
	Choice Choice
}

// Notice tells of samples in one state.
type Notice struct {
	State State
	// From and To are the first and last such sample, Samples how many there are, of Of in all.
	From, To    int64
	Samples, Of int
}

// edge is how late, as a share of the training window, a series may begin in it and still count as old.
const edge = 0.02

// retentionSlack is how much later than the start of the source's history a series may begin and still be taken as cut by it: sources
// delete whole blocks, two hours at the least.
const retentionSlack = 3 * time.Hour

// Series judges the samples of s stamped in [from, to]. s must cover Walk.Fetch(from, to, Policy); what it lacks counts as gaps.
// It fails only when ctx ends or when a fit fails for another reason than too little data.
func (j Judge) Series(ctx context.Context, s series.Series, from, to int64) (Verdicts, error) {
	return j.judge(ctx, s, s, series.Series{}, from, to)
}

// Against judges the samples of s as Filtered does, but by fits that learn from another series, past, which has the same labels and step: what the detector would have
// said of these samples after that past. It is for questions such as what an injected anomaly would look like; a verdict has one series.
func (j Judge) Against(ctx context.Context, past, clean, s series.Series, from, to int64) (Verdicts, error) {
	return j.judge(ctx, past, s, clean, from, to)
}

// Filtered judges like Series, but learns only from the samples at which clean has a value, on the same step; what it lacks is not learnt from. All samples are judged
// alike. The zero clean leaves all samples to the fits.
func (j Judge) Filtered(ctx context.Context, s, clean series.Series, from, to int64) (Verdicts, error) {
	return j.judge(ctx, s, s, clean, from, to)
}

func (j Judge) judge(ctx context.Context, past, s, clean series.Series, from, to int64) (Verdicts, error) {
	step := j.Walk.Step.Milliseconds()
	if s.Grid.Step != step || past.Grid.Step != step {
		return Verdicts{}, fmt.Errorf("judge %s: samples %d ms apart, want the step of the walk, %d ms", s.Labels, s.Grid.Step, step)
	}
	loc, err := j.Walk.Location()
	if err != nil {
		return Verdicts{}, err
	}
	out := series.GridOver(from, to, step)
	grid := series.GridOver(j.Walk.judged(out.Start, j.Policy), to, step)
	w := walker{Judge: j, ctx: ctx, past: past, s: s, clean: clean, loc: loc, window: cover(s, grid), changed: !sameValues(past, s), shown: grid.N - out.N, r: NewResult(grid.N)}
	if err := w.score(); err != nil {
		return Verdicts{}, fmt.Errorf("judge %s: %w", s.Labels, err)
	}
	if err := j.Policy.mute(w.window.Grid, w.r, loc); err != nil {
		return Verdicts{}, err
	}
	all := newVerdicts(w.window, w.r)
	all.Calibration, all.Floor, all.Choice = w.promise, w.floor, w.choice
	all.Episodes = j.Policy.run(w.window, w.r, &all)
	muted, err := j.Policy.muted(loc)
	if err != nil {
		return Verdicts{}, err
	}
	j.Policy.markAbsent(cover(s, series.GridOver(min(s.Grid.Start, grid.Start), to, step)), j.Walk.Train.Milliseconds(), muted, &all)
	slices.SortStableFunc(all.Episodes, func(a, b Episode) int { return cmp.Compare(a.Began, b.Began) })
	j.evidence(s, all.Episodes)
	return all.last(out, j.Policy.outage(step)), nil
}

// evidence adds to each episode what a reader may check.
func (j Judge) evidence(s series.Series, episodes []Episode) {
	for i := range episodes {
		episodes[i].Detector = j.Name
		if episodes[i].Direction != absent {
			episodes[i].Evidence = evidence(s, episodes[i], j.Walk.Train.Milliseconds())
		}
	}
}

// cover returns s on exactly that grid, gaps where it has nothing.
func cover(s series.Series, grid series.Grid) series.Series {
	if i, ok := s.Grid.Index(grid.Start); ok && i+grid.N <= s.Grid.N {
		return s.Slice(i, i+grid.N)
	}
	c := series.New(s.Labels, grid)
	part := s.Between(grid.Start, grid.End())
	if part.Grid.N > 0 {
		i, ok := grid.Index(part.Grid.Start)
		if ok {
			copy(c.Values[i:], part.Values)
		}
	}
	return c
}

func newVerdicts(s series.Series, r Result) Verdicts {
	v := Verdicts{
		Series: s, Score: r.Score, Expected: r.Expected, Lower: r.Lower, Upper: r.Upper,
		Onset: make([]float64, len(s.Values)), Anomalous: make([]bool, len(s.Values)), State: slices.Clone(r.State),
	}
	for i, x := range r.Score {
		if x != x {
			v.Onset[i] = math.NaN()
		}
	}
	return v
}

// last cuts the verdicts to their last samples, those of the grid. An episode that ended stays for as many samples as it may have taken to tell.
func (v Verdicts) last(grid series.Grid, quiet int) Verdicts {
	i := v.Series.Grid.N - grid.N
	v.Series = v.Series.Slice(i, v.Series.Grid.N)
	v.Score, v.Expected, v.Lower, v.Upper, v.Onset = v.Score[i:], v.Expected[i:], v.Lower[i:], v.Upper[i:], v.Onset[i:]
	v.Anomalous, v.State = v.Anomalous[i:], v.State[i:]
	v.Episodes = slices.DeleteFunc(v.Episodes, func(e Episode) bool { return e.Ended != 0 && e.Ended+int64(quiet)*grid.Step < grid.Start })
	v.Notices = notices(grid, v.State)
	return v
}

func notices(grid series.Grid, state []State) []Notice {
	var by [states]Notice
	for i, st := range state {
		n := &by[st]
		if n.Samples == 0 {
			n.From = grid.At(i)
		}
		n.To = grid.At(i)
		n.Samples++
	}
	var out []Notice
	for st := OK + 1; st < states; st++ {
		if n := by[st]; n.Samples > 0 {
			n.State, n.Of = st, grid.N
			out = append(out, n)
		}
	}
	return out
}

// walker goes over one series, or over what stands for several, from anchor to anchor.
type walker struct {
	Judge
	ctx    context.Context
	past   series.Series // what fits learn from
	s      series.Series // what is judged
	clean  series.Series // what of past is fit for learning; all where it is zero
	loc    *time.Location
	window series.Series
	// changed: what is judged is not what fits learn from.
	changed bool
	shown   int // the first sample of the window that was asked for
	r       Result
	// promise is that of the newest fit.
	promise Calibration
	// stretch fits at an anchor and takes what the model makes of samples [i, j) of the window; nil for a single series.
	stretch func(anchor int64, i, j int) error
	// floor is that of the newest fit.
	floor Comparison
	// choice too.
	choice Choice
}

// sameValues reports whether two series are one, and not a copy.
func sameValues(a, b series.Series) bool {
	return a.Grid == b.Grid && (len(a.Values) == 0 || len(b.Values) > 0 && &a.Values[0] == &b.Values[0])
}

func (w *walker) score() error {
	if w.window.Grid.N == 0 {
		return nil
	}
	refit := w.Walk.Refit.Milliseconds()
	first := anchor(w.window.Grid.Start, w.Walk.phase(w.s.Labels), refit)
	for a := first; a < w.window.Grid.End(); a += refit {
		if err := w.segment(a, a+refit); err != nil {
			return err
		}
	}
	return nil
}

// segment scores [a, end), whose ordinary anchor is a.
func (w *walker) segment(a, end int64) error {
	train := w.Walk.Train.Milliseconds()
	past := w.past.Between(a-train, a)
	first := past.FirstPresent()
	if first >= 0 && float64(past.Grid.At(first)-(a-train)) <= edge*float64(train) {
		return w.from(a, a, end)
	}
	if cut := w.HistoryStart; cut > 0 && cut > a-train && (first < 0 || past.Grid.At(first) <= cut+retentionSlack.Milliseconds()) {
		w.mark(a, end, HistoryGone)
		return nil
	}
	// A young series: its history grows, so it is fitted more often until the window is full.
	for t := a; t < end; t += w.Walk.fine() {
		if err := w.from(t, t, min(end, t+w.Walk.fine())); err != nil {
			return err
		}
	}
	return nil
}

// from fits at anchor a and scores the part of [from, end) that the window holds.
func (w *walker) from(a, from, end int64) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	i, j := w.window.Grid.Clamp(from, end)
	if i == j {
		return nil
	}
	train := w.past.Between(a-w.Walk.Train.Milliseconds(), a)
	if int64(train.Present())*train.Grid.Step < w.Walk.MinTrain.Milliseconds() {
		w.mark(from, end, WarmUp)
		return nil
	}
	stretch := w.stretch
	if stretch == nil {
		stretch = w.one
	}
	err := stretch(a, i, j)
	if errors.Is(err, ErrTooShort) {
		w.mark(from, end, TooShort)
		return nil
	}
	if err != nil {
		return fmt.Errorf("from %s: %w", time.UnixMilli(a).UTC().Format(time.RFC3339), err)
	}
	return nil
}

// asked returns the samples that a model fitted at an anchor is asked about to score up to sample j of the window, and how many of them are its recent past. Always from the
// same time, whatever is asked for: a model with memory must have seen the same samples. The horizon before the anchor tells what the fit makes of the recent past.
func (w *walker) asked(a int64, before, j int) (grid series.Grid, recent int) {
	step := w.window.Grid.Step
	recent = int(w.Policy.Horizon.Milliseconds() / step)
	return series.Grid{Start: a - int64(before+recent)*step, Step: step, N: before + recent + int((w.window.Grid.At(j)-a)/step)}, recent
}

// one fits the detector of a single series at anchor a and scores samples [i, j) of the window.
func (w *walker) one(a int64, i, j int) error {
	train := w.past.Between(a-w.Walk.Train.Milliseconds(), a)
	before := contextOf(w.Detector, w.window.Grid.Step)
	grid, recent := w.asked(a, before, j)
	part := cover(w.s, grid)
	var restore func(Result)
	if isCounter(train) {
		train, part, restore = w.counter(a, part, before)
	}
	train = train.Where(w.clean)
	var key fitKey
	keep := restore == nil && w.keepable(j)
	if keep {
		var err error
		if key, err = w.scoredKey(train, part, before, recent); err != nil {
			return err
		}
		if w.recall(key, i, j) {
			return nil
		}
	}
	model, err := w.Fits.fit(w.ctx, w.Judge, Train{Series: train, Zone: w.loc, N: w.Policy.N, M: w.Policy.M})
	if err != nil {
		return fmt.Errorf("fit: %w", err)
	}
	r, err := model.Score(part, before)
	if err != nil {
		return fmt.Errorf("score: %w", err)
	}
	if b, ok := model.(bounded); ok {
		first := len(r.Score) - (j - i)
		b.limits(part, before, r, func(k int) bool {
			return k >= first && (r.Score[k] >= 1 || w.Limits == LimitsShown && i+k-first >= w.shown)
		})
	}
	w.promised(model)
	markShifted(part.Values[before:], r, recent)
	markFlat(part.Values[before:], r, grid.Step, train.Values)
	if restore != nil {
		restore(r)
	}
	if keep {
		w.retain(key, model, r, recent, i)
	}
	w.copy(r, i, j)
	return nil
}

// counter returns the training window and the part to be scored of a counter as if it had never been reset, and what undoes that in a result.
func (w *walker) counter(a int64, part series.Series, before int) (train, grown series.Series, restore func(Result)) {
	start := min(a-w.Walk.Train.Milliseconds(), part.Grid.Start)
	step := part.Grid.Step
	grid := series.Grid{Start: start, Step: step, N: int((part.Grid.End() - start) / step)}
	learnt, _, _ := unreset(cover(w.past, grid))
	whole, added, resets := unreset(cover(w.s, grid))
	first := int((part.Grid.Start-start)/step) + before
	return learnt.Between(a-w.Walk.Train.Milliseconds(), a), whole.Between(part.Grid.Start, part.Grid.End()), func(r Result) {
		for i := range resets {
			resets[i] -= first
		}
		lower(r, added[first:], resets)
	}
}

// promised keeps what a model promises.
func (w *walker) promised(model any) {
	if c, ok := model.(Calibrated); ok {
		w.promise = c.Calibration()
	}
	if c, ok := model.(Compared); ok {
		w.floor = c.Floor()
	}
	w.choice = Choice{}
	if c, ok := model.(Chooser); ok {
		w.choice = c.Choice()
	}
}

// contextOf returns how many earlier samples a detector wants.
func contextOf(detector any, step int64) int {
	if c, ok := detector.(Contexter); ok {
		return c.Context(step)
	}
	return 0
}

// copy takes the last j−i entries of r as those of samples [i, j).
func (w *walker) copy(r Result, i, j int) {
	k := len(r.Score) - (j - i)
	copy(w.r.Score[i:j], r.Score[k:])
	copy(w.r.Expected[i:j], r.Expected[k:])
	copy(w.r.Lower[i:j], r.Lower[k:])
	copy(w.r.Upper[i:j], r.Upper[k:])
	copy(w.r.State[i:j], r.State[k:])
}

// mark gives the samples of [from, end) a state and no score; a missing sample stays a gap.
func (w *walker) mark(from, end int64, st State) {
	i, j := w.window.Grid.Clamp(from, end)
	for ; i < j; i++ {
		nan := math.NaN()
		w.r.Score[i], w.r.Expected[i], w.r.Lower[i], w.r.Upper[i] = nan, nan, nan, nan
		w.r.State[i] = st
		if x := w.window.Values[i]; x != x {
			w.r.State[i] = Gap
		}
	}
}

// Review judges a whole series under one fit on its part before fitted (0: all of it). It looks at samples in the light of later ones:
// good for investigation and benchmarks, never a verdict.
func (j Judge) Review(s series.Series, fitted int) (Verdicts, error) {
	if fitted <= 0 || fitted > s.Grid.N {
		fitted = s.Grid.N
	}
	loc, err := j.Walk.Location()
	if err != nil {
		return Verdicts{}, err
	}
	r, err := j.review(s, fitted, loc)
	if err != nil {
		return Verdicts{}, err
	}
	if err := j.Policy.mute(s.Grid, r, loc); err != nil {
		return Verdicts{}, err
	}
	v := newVerdicts(s, r)
	a := j.Policy.start(s, r, &v)
	a.renew(s.Grid.Start-s.Grid.Step, 0)
	v.Episodes = a.run()
	j.evidence(s, v.Episodes)
	v.Notices = notices(s.Grid, v.State)
	return v, nil
}

func (j Judge) review(s series.Series, fitted int, loc *time.Location) (Result, error) {
	train := Train{Series: s.Slice(0, fitted), Zone: loc, N: j.Policy.N, M: j.Policy.M}
	if d, ok := j.Detector.(Reviewer); ok && fitted == s.Grid.N {
		raw, err := d.Review(s, loc)
		if err != nil {
			return Result{}, fmt.Errorf("review: %w", err)
		}
		return reviewed(s, raw, train), nil
	}
	model, err := j.Detector.Fit(train)
	if err != nil {
		return Result{}, fmt.Errorf("fit on the first %d samples: %w", fitted, err)
	}
	r, err := model.Score(s, 0)
	if err != nil {
		return Result{}, fmt.Errorf("score: %w", err)
	}
	return r, nil
}

// reviewed puts raw scores on the scale of levels by one episode a week. A series without anything expected has no direction.
func reviewed(s series.Series, raw []float64, train Train) Result {
	r := NewResult(s.Grid.N)
	t := calibrate(raw, s.Grid.Step, train, 1)
	band := baseline.NewBand(s.Grid.N)
	if m, err := reference(usable(s), train.Zone); err == nil {
		m.Predict(s, band)
	} else {
		for i := range band.Center {
			band.Center[i] = math.NaN()
		}
	}
	for i, x := range raw {
		r.Expected[i], r.Lower[i], r.Upper[i] = band.Center[i], math.NaN(), math.NaN()
		r.Score[i] = t.level(x)
		if !baseline.Usable(s.Values[i]) {
			r.Score[i], r.State[i] = math.NaN(), Gap
		}
	}
	return r
}
