package detect

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// measure is what a detector learnt when it is not a baseline: a raw score of any scale. Immutable and safe for concurrent use.
type measure interface {
	// measure writes the raw score of every sample of the window into dst, which has the window's length: 0 or more, higher is more abnormal. dst[i] depends on
	// samples up to i only. Every sample gets a number, also a gap and the first ones, which have less behind them than the detector wants (see filled).
	measure(window series.Series, dst []float64)
	// write appends the measure to a written model.
	write(w wire.Writer) wire.Writer
}

// learner fits a measure to a training window. Samples that are held out or unusable are NaN; learn leaves out what touches too many of them. The error wraps ErrTooShort
// where too little is left. It writes nothing.
type learner interface {
	learn(train series.Series, zone *time.Location) (measure, error)
}

// heldBlocks is how many parts a training window is held out in, for measures that are dear to learn: each part is scored by what the others say.
const heldBlocks = 3

// fitMeasured learns a measure, calibrates it on parts of the window that it has not seen, and takes what is expected from a baseline, so that a verdict has a direction and a size.
// context is how many samples before the first judged one the measure looks back.
func fitMeasured(l learner, context int, train Train, allowed float64) (Model, error) {
	s := usable(train.Series)
	if s.Present() < 20 {
		return nil, fmt.Errorf("%w: %d samples, want at least 20", ErrTooShort, s.Present())
	}
	expected, err := reference(s, train.Zone)
	if errors.Is(err, baseline.ErrConstant) {
		return constantOf(s), nil
	}
	if err != nil {
		return nil, err
	}
	all, err := l.learn(s, train.Zone)
	if err != nil {
		return nil, err
	}
	held, err := holdOut(l, context, s, train.Zone)
	if err != nil {
		return nil, err
	}
	_, drawn := l.(drawer)
	var own []float64
	if held == nil || drawn {
		own = make([]float64, s.Grid.N)
		all.measure(s, own)
	}
	if held == nil { // too little to hold anything out: in sample is all there is
		held, drawn = own, false
	}
	leaveOut(s, held)
	t := calibrate(held, s.Grid.Step, train, allowed)
	if drawn {
		leaveOut(s, own)
		t.atLeast(calibrate(own, s.Grid.Step, train, allowed))
	}
	return &measured{own: all, expected: expected, threshold: t}, nil
}

// leaveOut makes gaps of the scores of gaps.
func leaveOut(s series.Series, scores []float64) {
	for i, x := range s.Values {
		if x != x {
			scores[i] = math.NaN()
		}
	}
}

// holdOut scores each of heldBlocks parts of the window by a measure that was learnt from the others; nil when the parts are too short for that.
func holdOut(l learner, context int, s series.Series, zone *time.Location) ([]float64, error) {
	n := s.Grid.N
	held := make([]float64, n)
	for b := range heldBlocks {
		from, to := b*n/heldBlocks, (b+1)*n/heldBlocks
		rest := series.New(s.Labels, s.Grid)
		copy(rest.Values, s.Values)
		for i := from; i < to; i++ {
			rest.Values[i] = math.NaN()
		}
		m, err := l.learn(rest, zone)
		if errors.Is(err, ErrTooShort) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		before := max(0, from-context)
		part := make([]float64, to-before)
		m.measure(s.Slice(before, to), part)
		copy(held[from:to], part[from-before:])
	}
	return held, nil
}

// reference fits what is expected at a time: the profile of the day where there is one, else the level.
func reference(s series.Series, zone *time.Location) (baseline.Model, error) {
	if int64(s.Grid.N)*s.Grid.Step >= 2*season.DayMillis {
		fit, err := baseline.NewSeasonal().Fit(s, zone)
		if err == nil || errors.Is(err, baseline.ErrConstant) {
			return fit.Model, err
		}
	}
	fit, err := (&baseline.Level{}).Fit(s, zone)
	if errors.Is(err, baseline.ErrTooShort) {
		return nil, fmt.Errorf("%w: %w", ErrTooShort, err)
	}
	return fit.Model, err
}

// usable returns the series with unusable samples turned into NaN, without a copy where there are none.
func usable(s series.Series) series.Series {
	for i, x := range s.Values {
		if x == x && !baseline.Usable(x) {
			c := series.New(s.Labels, s.Grid)
			copy(c.Values, s.Values)
			for ; i < len(c.Values); i++ {
				if !baseline.Usable(c.Values[i]) {
					c.Values[i] = math.NaN()
				}
			}
			return c
		}
	}
	return s
}

// filled returns the values with every gap taken from the sample before it, and those before the first sample set to start.
func filled(values []float64, start float64) []float64 {
	out := make([]float64, len(values))
	last := start
	for i, x := range values {
		if baseline.Usable(x) {
			last = x
		}
		out[i] = last
	}
	return out
}

// measured is a measure with a threshold and what is expected meanwhile. It draws no band: a window is abnormal, not a value.
type measured struct {
	own      measure
	expected baseline.Model
	threshold
}

// Score turns raw scores into levels.
func (m *measured) Score(window series.Series, warmup int) (Result, error) {
	if warmup < 0 || warmup > len(window.Values) {
		return Result{}, fmt.Errorf("warm-up of %d samples in a window of %d", warmup, len(window.Values))
	}
	raw := make([]float64, len(window.Values))
	m.own.measure(window, raw)
	band := baseline.NewBand(len(window.Values))
	m.expected.Predict(window, band)
	r := NewResult(len(window.Values) - warmup)
	for i := range r.Score {
		k := i + warmup
		r.Expected[i], r.Lower[i], r.Upper[i] = band.Center[k], math.NaN(), math.NaN()
		if !baseline.Usable(window.Values[k]) {
			r.Score[i], r.State[i] = math.NaN(), Gap
			continue
		}
		r.Score[i] = m.level(raw[k])
	}
	return r, nil
}

// MarshalBinary writes the threshold, what is expected, and the measure.
func (m *measured) MarshalBinary() ([]byte, error) {
	base, err := m.expected.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("write what is expected: %w", err)
	}
	return m.own.write(m.threshold.write(written(shapeMeasured)).Bytes(base)), nil
}

func readMeasured(r *wire.Reader, own func(*wire.Reader) measure) (Model, error) {
	m := &measured{threshold: readThreshold(r)}
	var err error
	if m.expected, err = baseline.Unmarshal(r.Bytes()); err != nil {
		return nil, err
	}
	m.own = own(r)
	return m, nil
}
