package detect

import (
	"errors"
	"fmt"
	"math"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/series"
)

// budget is the noise budget that every detector has.
type budget struct {
	Budget float64 `json:"budget" yaml:"budget" min:"0.01" max:"1000" unit:"episodes/week" help:"How many false episodes a week are acceptable per series; the threshold follows from it."`
}

// fitResidual judges samples by their distance from a baseline, calibrated on what the baseline says about days that it has not seen.
func fitResidual(b baseline.Baseline, train Train, allowed float64) (Model, error) {
	fit, err := b.Fit(train.Series, train.Zone)
	switch {
	case errors.Is(err, baseline.ErrConstant):
		return constantOf(train.Series), nil
	case errors.Is(err, baseline.ErrTooShort):
		return nil, fmt.Errorf("%w: %w", ErrTooShort, err)
	case err != nil:
		return nil, err
	}
	return &residual{baseline: fit.Model, floor: fit.Floor, threshold: calibrate(fit.Held, train.Series.Grid.Step, train, allowed)}, nil
}

// residual is a baseline with a threshold.
type residual struct {
	baseline baseline.Model
	floor    baseline.Comparison
	threshold
}

// Floor tells whether the baseline beats the value one period before.
func (m *residual) Floor() baseline.Comparison { return m.floor }

// Score compares every sample with the band.
func (m *residual) Score(window series.Series, warmup int) (Result, error) {
	if warmup < 0 || warmup > len(window.Values) {
		return Result{}, fmt.Errorf("warm-up of %d samples in a window of %d", warmup, len(window.Values))
	}
	values := window.Values[warmup:]
	band := baseline.NewBand(len(window.Values))
	m.baseline.Predict(window, band)
	r := NewResult(len(values))
	for i, x := range values {
		k := i + warmup
		r.Expected[i] = band.Center[k]
		r.Upper[i] = band.Center[k] + m.theta*band.Up[k]
		r.Lower[i] = band.Center[k] - m.theta*band.Down[k]
		if !baseline.Usable(x) { // no number, or an infinity: a division by zero in the query, not a value
			r.Score[i], r.State[i] = math.NaN(), Gap
			continue
		}
		r.Score[i] = m.level(math.Abs(band.Score(k, x)))
	}
	return r, nil
}

// MarshalBinary writes the threshold, then the baseline.
func (m *residual) MarshalBinary() ([]byte, error) {
	base, err := m.baseline.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("write the baseline: %w", err)
	}
	return m.floor.Write(m.threshold.write(written(shapeResidual))).Bytes(base), nil
}

// constant is the model of a window that held one value. A sample with that value is in state Constant; another one is abnormal by its relative distance, since
// nothing is known of the usual one: 1 at the value itself, 2 at twice it.
type constant struct{ value float64 }

func constantOf(s series.Series) constant {
	for _, x := range s.Values {
		if baseline.Usable(x) {
			return constant{x}
		}
	}
	panic("detect: a window without a value was fitted as constant")
}

func (m constant) Score(window series.Series, warmup int) (Result, error) {
	if warmup < 0 || warmup > len(window.Values) {
		return Result{}, fmt.Errorf("warm-up of %d samples in a window of %d", warmup, len(window.Values))
	}
	values := window.Values[warmup:]
	r := NewResult(len(values))
	for i, x := range values {
		r.Expected[i], r.Lower[i], r.Upper[i] = m.value, m.value, m.value
		d := math.Abs(x - m.value)
		switch {
		case !baseline.Usable(x):
			r.Score[i], r.State[i] = math.NaN(), Gap
		case d <= rounding*math.Abs(m.value):
			r.Score[i], r.State[i] = math.NaN(), Constant
		case m.value == 0:
			r.Score[i] = 2 - 1/(1+d)
		default:
			r.Score[i] = 1 + d/math.Abs(m.value)
		}
	}
	return r, nil
}

// rounding is the relative difference that arithmetic in a query may leave between equal values.
const rounding = 1e-9

func (m constant) MarshalBinary() ([]byte, error) {
	return written(shapeConstant).Floats(m.value), nil
}
