package detect

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// What detectors of change points share: distances from the usual day, and two windows that slide over them.

// drawnIn is how many usual distances count at the most: a spike in a window is one sample among many.
const drawnIn = 4

// usual is what is expected at a time and how far samples usually lie from it.
type usual struct{ model baseline.Model }

func usualOf(train series.Series, zone *time.Location) (usual, error) {
	m, err := reference(train, zone)
	if errors.Is(err, baseline.ErrConstant) { // what is not held out is constant
		return usual{}, fmt.Errorf("%w: %w", ErrTooShort, err)
	}
	return usual{m}, err
}

// distances returns how many usual distances each sample lies from what is expected, drawn in to ± limit; NaN for gaps.
func (u usual) distances(window series.Series, limit float64) []float64 {
	band := baseline.NewBand(len(window.Values))
	u.model.Predict(window, band)
	z := make([]float64, len(window.Values))
	for i, x := range window.Values {
		z[i] = math.NaN()
		if baseline.Usable(x) {
			z[i] = min(max(band.Score(i, x), -limit), limit)
		}
	}
	return z
}

func (u usual) write(w wire.Writer) wire.Writer {
	raw, err := u.model.MarshalBinary()
	if err != nil { // no model of reference fails to be written
		raw = nil
	}
	return w.Bytes(raw)
}

func readUsual(r *wire.Reader) usual {
	m, err := baseline.Unmarshal(r.Bytes())
	if err != nil {
		r.Fail()
	}
	return usual{m}
}

// tally is what lies in a window.
type tally struct{ n, sum, squares float64 }

func (t tally) mean() float64 { return t.sum / t.n }

// variance is that of the values around their mean.
func (t tally) variance() float64 { return max(0, t.squares/t.n-t.mean()*t.mean()) }

// twoWindows writes, for each value, what compare says of the last values up to it and of those before them. NaN are left out; where less than half of a window is there,
// it is 0. Sums are exact, see windowUnit.
func twoWindows(x []float64, after, before int, dst []float64, compare func(after, before tally) float64) {
	n := len(x)
	sum, square, count := make([]float64, n+1), make([]float64, n+1), make([]float64, n+1)
	for i, v := range x {
		sum[i+1], square[i+1], count[i+1] = sum[i], square[i], count[i]
		if v == v {
			sum[i+1] += math.Round(v*windowUnit) / windowUnit
			square[i+1] += math.Round(v*v*windowUnit) / windowUnit
			count[i+1]++
		}
	}
	between := func(i, j int) tally { return tally{count[j] - count[i], sum[j] - sum[i], square[j] - square[i]} }
	for i := range x {
		dst[i] = 0
		cut := i + 1 - after
		if cut < 1 {
			continue
		}
		a, b := between(cut, i+1), between(max(0, cut-before), cut)
		if 2*a.n >= float64(after) && 2*b.n >= float64(before) {
			dst[i] = compare(a, b)
		}
	}
}

// windowUnit makes values whole multiples of 2⁻²⁴, so that sums of any number of them that occurs are exact and a window's sum does not depend on what lies before it.
const windowUnit = 1 << 24
