package evaluate

// bestF1 is the highest F1 of single samples over all thresholds: the threshold is chosen with the labels, so that it is an upper bound. It is never adjusted by
// ranges: point adjustment makes random scores look good.
// Source of the warning: Kim et al., Towards a Rigorous Evaluation of Time-Series Anomaly Detection, AAAI 2022, doi:10.1609/aaai.v36i7.20680.
func (r ranking) bestF1() float64 {
	best := 0.0
	r.thresholds(func(reached, hit int) {
		best = max(best, 2*float64(hit)/float64(reached+r.positive))
	})
	return best
}
