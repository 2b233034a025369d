package detect

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "threshold",
		Summary: "Static bounds: a sample above the upper or below the lower one is abnormal. For limits that are known, and for comparison.",
		Source:  "Shewhart, Economic Control of Quality of Manufactured Product, Van Nostrand, 1931: limits that stay; here given by a person, or read off the training window",
		New:     func() Detector { return &Threshold{Upper: boundAuto, Lower: boundAuto} },
	})
}

// Threshold judges samples by bounds that do not follow the time of day. There is no noise budget: score 1 is the bound.
type Threshold struct {
	Upper string `json:"upper" yaml:"upper" help:"Above this a sample is abnormal: a number, off, or auto, which is a tenth of the usual range above what a thousandth of the training window exceeds."`
	Lower string `json:"lower" yaml:"lower" help:"Below this a sample is abnormal: a number, off, or auto, which is a tenth of the usual range below what all but a thousandth of the training window exceeds."`
}

// What a bound may be besides a number.
const (
	boundAuto = "auto"
	boundOff  = "off"
)

const (
	// boundTail is the share of the training window beyond an automatic bound without its margin, boundMargin the margin as a share of the range.
	boundTail, boundMargin = 0.001, 0.1
	// boundSamples is how many samples an automatic bound wants.
	boundSamples = 20
)

// Validate reports a bound that is no number, and bounds in the wrong order.
func (d *Threshold) Validate() error {
	lower, err := bound("lower", d.Lower, math.Inf(-1))
	if err != nil {
		return err
	}
	upper, err := bound("upper", d.Upper, math.Inf(1))
	if err != nil {
		return err
	}
	if !(lower < upper) {
		return fmt.Errorf("parameter \"lower\": got %s, want less than upper, which is %s", d.Lower, d.Upper)
	}
	if d.Lower == boundOff && d.Upper == boundOff {
		return fmt.Errorf("parameter \"upper\": got off, want a bound, since lower is off as well")
	}
	return nil
}

// bound reads a bound; what is not a number gives other.
func bound(name, text string, other float64) (float64, error) {
	if text == boundAuto || text == boundOff {
		return other, nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !baseline.Usable(x) {
		return 0, fmt.Errorf("parameter %q: got %q, want a number, auto or off", name, text)
	}
	return x, nil
}

// Fit reads off automatic bounds, and what is usual within the bounds.
func (d *Threshold) Fit(train Train) (Model, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	values := robust.Drop(nil, usable(train.Series).Values)
	slices.Sort(values)
	automatic := d.Upper == boundAuto || d.Lower == boundAuto
	if n := len(values); automatic && n < boundSamples {
		return nil, fmt.Errorf("%w: %d samples, want at least %d for bounds that are read off them", ErrTooShort, n, boundSamples)
	}
	if automatic && values[0] == values[len(values)-1] {
		return constantOf(train.Series), nil
	}
	m := staticBounds{middle: robust.Quantile(values, 0.5)}
	low, high := robust.Quantile(values, boundTail), robust.Quantile(values, 1-boundTail)
	margin := max(boundMargin*(high-low), boundMargin*math.SmallestNonzeroFloat64)
	m.lower, _ = bound("lower", d.Lower, math.Inf(-1))
	m.upper, _ = bound("upper", d.Upper, math.Inf(1))
	if d.Lower == boundAuto {
		m.lower = min(low-margin, m.upper)
	}
	if d.Upper == boundAuto {
		m.upper = max(high+margin, m.lower)
	}
	m.center()
	return m, nil
}

// Catches what leaves the usual range of the whole window.
func (*Threshold) Catches() Kinds { return Spike | Drop | Shift }

// staticBounds is a fitted Threshold; a bound that is off is infinite.
type staticBounds struct{ lower, middle, upper float64 }

// center puts what is expected between the bounds where it is not: where what is usual lies beyond a bound, the bound is what a person wants.
func (m *staticBounds) center() {
	if m.lower < m.middle && m.middle < m.upper {
		return
	}
	switch {
	case !math.IsInf(m.lower, 0) && !math.IsInf(m.upper, 0):
		m.middle = m.lower + (m.upper-m.lower)/2
	case math.IsInf(m.lower, 0):
		m.middle = m.upper - max(math.Abs(m.upper), 1)
	default:
		m.middle = m.lower + max(math.Abs(m.lower), 1)
	}
}

// Score is how far a sample lies on the way from the middle to the bound.
func (m staticBounds) Score(window series.Series, warmup int) (Result, error) {
	if warmup < 0 || warmup > len(window.Values) {
		return Result{}, fmt.Errorf("warm-up of %d samples in a window of %d", warmup, len(window.Values))
	}
	values := window.Values[warmup:]
	r := NewResult(len(values))
	for i, x := range values {
		r.Expected[i], r.Lower[i], r.Upper[i] = m.middle, m.lower, m.upper
		if math.IsInf(m.lower, 0) {
			r.Lower[i] = math.NaN()
		}
		if math.IsInf(m.upper, 0) {
			r.Upper[i] = math.NaN()
		}
		switch {
		case !baseline.Usable(x):
			r.Score[i], r.State[i] = math.NaN(), Gap
		case x >= m.middle:
			r.Score[i] = share(x-m.middle, m.upper-m.middle)
		default:
			r.Score[i] = share(m.middle-x, m.middle-m.lower)
		}
	}
	return r, nil
}

// share returns a / b, 0 for 0 / 0.
func share(a, b float64) float64 {
	if a == 0 {
		return 0
	}
	return a / b
}

const shapeBounds = "bounds"

// MarshalBinary writes three numbers.
func (m staticBounds) MarshalBinary() ([]byte, error) {
	return written(shapeBounds).Floats(m.lower, m.middle, m.upper), nil
}

func (*Threshold) unmarshal(data []byte) (Model, error) {
	r := wire.NewReader(data)
	if r.Text() != shapeBounds {
		return readModel(data, nil)
	}
	m := staticBounds{lower: r.Float(), middle: r.Float(), upper: r.Float()}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%d bytes: %w", len(data), err)
	}
	return m, nil
}
