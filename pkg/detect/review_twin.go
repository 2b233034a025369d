package detect

import "math"

const (
	// twinSamples bounds the length that every window is compared with every other in: longer series are taken as means of equal parts. The work is its square.
	twinSamples = 30_000
	// leastTwin is the shortest window, in such parts.
	leastTwin = 8
	// twinNoise is the deviation, as a share of that of the series, below which a window counts as flat; two flat windows are alike.
	twinNoise = 0.03
)

// untwinned returns for each sample how unlike their nearest twins the windows that cover it are: the root of 1 − r, r the highest correlation with any window of w samples that
// does not overlap. Nil where the series is shorter than four windows.
// Source: the matrix profile of Yeh et al., ICDM 2016, doi:10.1109/ICDM.2016.0179, along diagonals by the recurrence of Kamgar et al. (mpx), in Imani et al., ICBK 2018,
// doi:10.1109/ICBK.2018.00021.
func untwinned(x []float64, w int) []float64 {
	part := (len(x) + twinSamples - 1) / twinSamples
	y, v := x, max(leastTwin, w/max(1, part))
	if part > 1 {
		y = make([]float64, len(x)/part)
		for i := range y {
			for _, z := range x[i*part : (i+1)*part] {
				y[i] += z / float64(part)
			}
		}
	}
	if len(y) < 4*v {
		return nil
	}
	best := twins(y, v)
	for i, r := range best {
		best[i] = math.Sqrt(max(0, 1-r))
	}
	s := spread(best, len(y), v, 1)
	if part == 1 {
		return s
	}
	out := make([]float64, len(x))
	for i := range out {
		out[i] = s[min(i/part, len(s)-1)]
	}
	return out
}

// twins returns for each window of w samples its highest correlation with a window that does not overlap.
func twins(x []float64, w int) []float64 {
	m := len(x) - w + 1
	mean, inverse, best := make([]float64, m), make([]float64, m), make([]float64, m)
	all, square := 0.0, 0.0
	for _, v := range x {
		all += v / float64(len(x))
	}
	for _, v := range x {
		square += (v - all) * (v - all) / float64(len(x))
	}
	noise := max(twinNoise*twinNoise*square, 1e-300) * float64(w)
	sums := slidingSums(x, w)
	for i := range m {
		mean[i] = sums[i] / float64(w)
		s := 0.0
		for _, v := range x[i : i+w] {
			s += (v - mean[i]) * (v - mean[i])
		}
		inverse[i], best[i] = 1/math.Sqrt(s+noise), -1
	}
	// The covariance of windows i and j follows from that of i−1 and j−1.
	front, back := make([]float64, m), make([]float64, m)
	for i := 1; i < m; i++ {
		front[i] = (x[i+w-1] - x[i-1]) / 2
		back[i] = (x[i+w-1] - mean[i]) + (x[i-1] - mean[i-1])
	}
	for d := w; d < m; d++ {
		c := noise
		for k := range w {
			c += (x[d+k] - mean[d]) * (x[k] - mean[0])
		}
		n := m - d
		f1, b1, v1, r1 := front[:n], back[:n], inverse[:n], best[:n]
		f2, b2, v2, r2 := front[d:][:n], back[d:][:n], inverse[d:][:n], best[d:][:n]
		for i := range f1 {
			c += f1[i]*b2[i] + f2[i]*b1[i]
			r := c * v1[i] * v2[i]
			if r > r1[i] {
				r1[i] = r
			}
			if r > r2[i] {
				r2[i] = r
			}
		}
	}
	return best
}
