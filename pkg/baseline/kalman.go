package baseline

import (
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Baselines.Add(registry.Entry[Baseline]{
		Name:    "kalman",
		Summary: "A level that wanders, a trend that fades and the usual day, as a state-space model whose filter expects each next sample.",
		Source:  "Harvey, Forecasting, Structural Time Series Models and the Kalman Filter, Cambridge University Press, 1989, chapters 3 and 4; Durbin and Koopman, Time Series Analysis by State Space Methods, Oxford, 2012",
		New:     func() Baseline { return NewKalman() },
	})
}

// Kalman is a structural model: sample = usual day + level + noise. The level wanders and has a slope that fades:
//
//	y(t) = season(t) + μ(t) + ε(t),  μ(t+1) = μ(t) + β(t) + η(t),  β(t+1) = φ·β(t) + ζ(t)
//
// The usual day is the profile of Seasonal, fixed within a fit. The variances of η and ζ relative to ε, and φ, are found by maximum likelihood, that of ε is concentrated
// out; the slope is kept where Akaike's criterion wants it. The filter's innovations are the errors, and their distance grows with the uncertainty of the state.
type Kalman struct {
	Adopt registry.Duration `json:"adopt" yaml:"adopt" min:"600" max:"604800" help:"A new level that lasted so long is taken for ordinary and followed; until then the expected value stays where it was."`
}

// NewKalman returns the defaults.
func NewKalman() *Kalman { return &Kalman{Adopt: registry.Duration(3 * time.Hour)} }

// Validate accepts all that the tags do.
func (*Kalman) Validate() error { return nil }

// Fit learns the profile and the variances. The variances are learnt once, from the whole window: three numbers from thousands of samples. The held-out scores are errors of
// one sample ahead around the profile of earlier days.
func (k *Kalman) Fit(train series.Series, zone *time.Location) (Fit, error) {
	return fitStepped("kalman", train, zone, k.Adopt.Milliseconds(), structural{}, false)
}

// Context returns how many samples a model wants before the first one that counts.
func (k *Kalman) Context(step int64) int {
	return warmupSamples(k.Adopt.Milliseconds(), step, forgotten)
}

// forgotten is how many samples it takes a filter to forget where it began: it begins knowing little, and so averages over all that it saw, whatever its gain is later.
const forgotten = 60

func (*Kalman) unmarshal(r *wire.Reader) Model {
	return readStepped("kalman", r, readLinear)
}

// structural learns the variances of a level with or without a slope.
type structural struct{}

const (
	// A variance is found between e^leastVariance and e^mostVariance times that of the noise, a fading per sample between leastFading and mostFading.
	leastVariance, mostVariance = -16, 10
	leastFading, mostFading     = 0.5, 0.999
)

func (structural) learn(rest []float64, _ uint64) (stepper, error) {
	y := quiet(rest)
	level, flat := bestLevel(y)
	slope, damped := bestSlope(y, level)
	s := local(level)
	if 2*2 < 2*(damped-flat) { // two parameters more must be worth it
		s = dampedTrend(slope)
	}
	l := s.evaluate(y, diffuse, nil)
	if !(l.scale() > 0) { // all equal but for what was left out
		s.settle()
		return linear{space: s}, nil
	}
	s.multiply(l.scale())
	s.p[0][0] = 1 // the level is somewhere around the profile, as far as samples usually are
	s.settle()
	return linear{space: s}, nil
}

// multiply scales all variances.
func (s *space) multiply(by float64) {
	s.h *= by
	for i := range s.n {
		for j := range s.n {
			s.q[i][j] *= by
			s.p[i][j] *= by
		}
	}
}

// local is a level that wanders; v is the logarithm of its variance relative to the noise.
func local(v float64) *space {
	s := &space{n: 1, h: 1}
	s.t[0][0], s.z[0], s.q[0][0] = 1, 1, math.Exp(v)
	return s
}

// dampedTrend is a level with a slope that fades: logarithms of the variances of level and slope, and the fading as a logit between its bounds.
func dampedTrend(x []float64) *space {
	s := &space{n: 2, h: 1}
	fading := leastFading + (mostFading-leastFading)/(1+math.Exp(-x[2]))
	s.t[0][0], s.t[0][1], s.t[1][1] = 1, 1, fading
	s.z[0] = 1
	s.q[0][0], s.q[1][1] = math.Exp(x[0]), math.Exp(x[1])
	s.p[1][1] = s.q[1][1] / (1 - fading*fading)
	return s
}

// within keeps a logarithm of a variance between the bounds.
func within(v float64) float64 { return min(max(v, leastVariance), mostVariance) }

// bestLevel finds the likeliest variance of the level by a coarse look and a golden section around the best of it.
func bestLevel(y []float64) (v, logLikelihood float64) {
	value := func(v float64) float64 { return likely(local(v), y) }
	const coarse = 2.0
	v, best := leastVariance, math.Inf(-1)
	for x := float64(leastVariance); x <= mostVariance; x += coarse {
		if l := value(x); l > best {
			v, best = x, l
		}
	}
	low, high := within(v-coarse), within(v+coarse)
	ratio := (math.Sqrt(5) - 1) / 2
	a, b := high-ratio*(high-low), low+ratio*(high-low)
	la, lb := value(a), value(b)
	for range 14 {
		if la > lb {
			high, b, lb = b, a, la
			a = high - ratio*(high-low)
			la = value(a)
		} else {
			low, a, la = a, b, lb
			b = low + ratio*(high-low)
			lb = value(b)
		}
	}
	if m := (low + high) / 2; value(m) > best {
		v, best = m, value(m)
	}
	return v, best
}

// bestSlope finds the likeliest damped trend from two starts.
func bestSlope(y []float64, level float64) (x []float64, logLikelihood float64) {
	bounded := func(x []float64) []float64 { return []float64{within(x[0]), within(x[1]), min(max(x[2], -8), 8)} }
	value := func(x []float64) float64 { return -likely(dampedTrend(bounded(x)), y) }
	logLikelihood = math.Inf(-1)
	for _, start := range [][]float64{{level, within(level - 4), 0}, {within(level - 6), within(level - 2), 1}} {
		if got, v := minimize(value, start, 1.5, slopeEvaluations); -v > logLikelihood {
			x, logLikelihood = bounded(got), -v
		}
	}
	return x, logLikelihood
}

// slopeEvaluations bounds the time that a trend costs.
const slopeEvaluations = 60

// likely is the concentrated log-likelihood, −∞ where there is none.
func likely(s *space, y []float64) float64 {
	l := s.evaluate(y, diffuse, nil)
	if v := l.concentrated(); l.n > 5 && v == v {
		return v
	}
	return math.Inf(-1)
}
