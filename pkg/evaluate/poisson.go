package evaluate

import "gonum.org/v1/gonum/mathext"

// RateInterval returns the 95 % interval of a rate, given that n events were counted in so much exposure: exact for events that come independently. Nothing was
// observed in no exposure: the interval is then [0, +Inf) by the formula. Source: Garwood, Fiducial Limits for the Poisson Distribution, Biometrika 28, 1936.
func RateInterval(n int, exposure float64) (low, high float64) {
	if n > 0 {
		low = mathext.GammaIncRegInv(float64(n), 0.025) / exposure
	}
	return low, mathext.GammaIncRegInv(float64(n)+1, 0.975) / exposure
}
