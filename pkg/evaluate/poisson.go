package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mathext"

	"github.com/foreshock/foreshock/pkg/robust"
)

// RateInterval returns the 95 % interval of a rate, given that n events were counted in so much exposure: exact for events that come independently. Nothing was
// observed in no exposure: the interval is then [0, +Inf) by the formula. Source: Garwood, Fiducial Limits for the Poisson Distribution, Biometrika 28, 1936.
func RateInterval(n int, exposure float64) (low, high float64) {
	if n > 0 {
		low = mathext.GammaIncRegInv(float64(n), 0.025) / exposure
	}
	return low, mathext.GammaIncRegInv(float64(n)+1, 0.975) / exposure
}

// resamples is how often MeanInterval draws.
const resamples = 2000

// MeanInterval returns the 95 % interval of the mean over entities that differ from each other, by drawing them again with replacement (percentile bootstrap, fixed seed):
// unlike RateInterval it does not take the events of one entity for independent. Source: Efron, Bootstrap Methods: Another Look at the Jackknife, Annals of Statistics 7(1), 1979.
func MeanInterval(values []float64) (low, high float64) {
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	rng := rand.New(rand.NewPCG(uint64(len(values)), 1))
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for range values {
			sum += values[rng.IntN(len(values))]
		}
		means[i] = sum / float64(len(values))
	}
	slices.Sort(means)
	return robust.Quantile(means, 0.025), robust.Quantile(means, 0.975)
}
