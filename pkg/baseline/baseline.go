// Package baseline says what is normal: a centre and a usual distance on each side of it, for every time.
//
// The idea: a baseline is fitted on a window and predicts the samples after it. Along with the model a fit gives the held-out scores of its own
// training samples, each judged without its own day, because thresholds must be learnt out of sample.
//
//	fit, err := (&baseline.Seasonal{Trend: true}).Fit(train, zone)
//	band := baseline.NewBand(window.Grid.N)
//	fit.Model.Predict(window, band)
//
// It decides nothing: thresholds and alarms are the business of detect.
package baseline

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/series"
)

// Baselines holds every baseline by name.
var Baselines = registry.NewOf[Baseline]("baseline")

// Errors of Fit that tell of the data; callers branch on them.
var (
	// ErrTooShort: too few samples to learn from.
	ErrTooShort = errors.New("too little history")
	// ErrConstant: every sample has the same value, so there is no usual distance.
	ErrConstant = errors.New("all samples are equal")
)

// Baseline learns a model from a window. Its options struct is the baseline; Fit does not write it.
type Baseline interface {
	Validate() error
	// Fit learns from the samples; gaps are allowed, infinities are taken as gaps. Days begin in the zone (nil: UTC). Pure and free of panics. The error wraps
	// ErrTooShort or ErrConstant where the data do not allow a model.
	Fit(train series.Series, zone *time.Location) (Fit, error)
}

// Fit is what a baseline learnt.
type Fit struct {
	Model Model
	// Held holds one score per training sample: its distance from the centre in units of the usual distance, negative below, as predicted without its own
	// day, and where there is enough of it from earlier days only. NaN for gaps.
	Held []float64
	// Floor tells whether the model beats the value one period before on samples that it had not seen.
	Floor Comparison
}

// Model predicts. It is immutable and safe for concurrent use.
type Model interface {
	// Predict fills the band for every sample of the window. Entry i depends on samples up to i−1 at most. It panics when lengths differ.
	Predict(window series.Series, dst Band)
	encoding.BinaryMarshaler
}

// Band holds, per sample, the centre and the usual distance above and below it, in the unit of the series. Distances are positive.
type Band struct{ Center, Up, Down []float64 }

// NewBand returns a band of n samples.
func NewBand(n int) Band {
	v := make([]float64, 3*n)
	return Band{Center: v[:n:n], Up: v[n : 2*n : 2*n], Down: v[2*n:]}
}

// Score returns how many usual distances x is from the centre at i: negative below, NaN for a gap.
func (b Band) Score(i int, x float64) float64 {
	d := x - b.Center[i]
	if d < 0 {
		return d / b.Down[i]
	}
	return d / b.Up[i]
}

func (b Band) mustHave(n int) {
	if len(b.Center) != n || len(b.Up) != n || len(b.Down) != n {
		panic(fmt.Sprintf("baseline: band of %d, %d, %d entries for %d samples", len(b.Center), len(b.Up), len(b.Down), n))
	}
}

// Usable reports whether a sample can be judged: a number whose differences cannot overflow. Everything else is a gap.
func Usable(x float64) bool { return math.Abs(x) <= 1e300 }

// clean returns the samples with unusable ones turned into NaN, without a copy where there are none, and how many are usable.
func clean(values []float64) ([]float64, int) {
	usable, copied := 0, false
	for i, x := range values {
		if Usable(x) {
			usable++
			continue
		}
		if x == x {
			if !copied {
				values = append([]float64(nil), values...)
				copied = true
			}
			values[i] = math.NaN()
		}
	}
	return values, usable
}

// maxFolds bounds the work of holding out: longer windows hold out several days at once.
const maxFolds = 16

// foldsOf returns, for each sample, which of a number of folds it belongs to, and the number. A fold is a run of whole days, counted back from the end of the
// window. Its samples are held out together: an anomaly lasts longer than a sample, and would vouch for itself.
func foldsOf(g series.Grid) (fold []uint16, folds int) {
	const day = 24 * 60 * 60 * 1000
	fold = make([]uint16, g.N)
	if g.N == 0 {
		return fold, 0
	}
	perDay := max(1, int(day/g.Step))
	days := (g.N + perDay - 1) / perDay
	per := perDay * ((days + maxFolds - 1) / maxFolds)
	folds = (g.N + per - 1) / per
	for i := range fold {
		fold[i] = uint16(folds - 1 - (g.N-1-i)/per)
	}
	return fold, folds
}

// spread returns the usual distance of positive numbers: their median made comparable to a standard deviation, or where more than half are zero their mean.
// It reorders its input; 0 for none.
func spread(distances []float64) float64 {
	if len(distances) == 0 {
		return 0
	}
	if m := robust.MedianInPlace(distances); m > 0 {
		return robust.Gaussian * m
	}
	return robust.GaussianMean * robust.Mean(distances)
}
