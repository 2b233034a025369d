package evaluate

// aucPR is the average precision over all thresholds, in steps; samples of equal score share one. NaN without a labelled sample.
// Source: Davis and Goadrich, The Relationship Between Precision-Recall and ROC Curves, ICML 2006, doi:10.1145/1143844.1143874 (why steps and no lines).
func (r ranking) aucPR() float64 {
	area, before := 0.0, 0.0
	r.thresholds(func(reached, hit int) {
		recall := float64(hit) / float64(max(r.positive, 1))
		area += (recall - before) * float64(hit) / float64(reached)
		before = recall
	})
	return area
}

// aucROC is the area under the curve of true against false positives, by trapezoids.
// Source: Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 27(8), 2006, doi:10.1016/j.patrec.2005.10.010.
func (r ranking) aucROC() float64 {
	positive, negative := float64(max(r.positive, 1)), float64(max(len(r.label)-r.positive, 1))
	area, x0, y0 := 0.0, 0.0, 0.0
	r.thresholds(func(reached, hit int) {
		x, y := float64(reached-hit)/negative, float64(hit)/positive
		area += (x - x0) * (y + y0) / 2
		x0, y0 = x, y
	})
	return area
}
