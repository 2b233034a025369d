package detect

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// profiled is a stretch of samples prepared for the distances between its windows and those of another. A window is taken without its mean and multiplied by times.
type profiled struct {
	values []float64
	w      int
	// df and dg are what the covariance of two windows gains when both move on by one sample.
	df, dg []float64
	mean   []float64
	// times is what each window is multiplied by, own its squared length after that, per sample of a window.
	times, own []float64
}

// profile prepares the windows of w samples. A positive scale is one for all: a window is divided by it. With 0 each is divided by its own deviation, and one that does not
// vary has no shape.
func profile(values []float64, w int, scale float64) *profiled {
	p := &profiled{values: values, w: w}
	mean, dev := moments(values, w)
	n := len(mean)
	p.mean, p.times, p.own = mean, make([]float64, n), make([]float64, n)
	p.df, p.dg = make([]float64, n), make([]float64, n)
	for i := range n {
		switch {
		case scale > 0:
			p.times[i] = 1 / scale
		case dev[i] > 1e-9:
			p.times[i] = 1 / dev[i]
		}
		p.own[i] = dev[i] * p.times[i] * dev[i] * p.times[i]
		p.times[i] /= math.Sqrt(float64(w))
		if i > 0 {
			p.df[i] = (values[i+w-1] - values[i-1]) / 2
			p.dg[i] = (values[i+w-1] - mean[i]) + (values[i-1] - mean[i-1])
		}
	}
	return p
}

// nearest lowers squared[i] to the squared distance, per sample of a window, between window i and the nearest of the windows [from, to) of r. Windows of r that share a
// time with window i are left out: the first of r is shift samples later than the first of p.
// Source: the recurrence of covariances in Zimmerman et al., Matrix Profile XIV, SoCC 2019, doi:10.1145/3357223.3362721 (SCAMP), row by row.
func (p *profiled) nearest(r *profiled, from, to, shift int, squared []float64) {
	if to <= from || len(p.mean) == 0 {
		return
	}
	w, n, rows := p.w, to-from, len(p.mean)
	// One covariance per difference of times: that of window i with window from+j lies at rows−1−i+j, and moves on in its place.
	cov := make([]float64, rows-1+n)
	for j := range n {
		cov[rows-1+j] = p.covariance(0, r, from+j)
	}
	df, dg, times, own := r.df[from:to], r.dg[from:to], r.times[from:to], r.own[from:to]
	for i := range rows {
		c := cov[rows-1-i : rows-1-i+n]
		// Window j of r begins at time j+shift: those that begin w−1 before i up to w−1 after it overlap.
		first := min(max(i-w+1-shift-from, 0), n)
		last := min(max(i+w-shift-from, 0), n)
		m := move{f: p.df[i], g: p.dg[i], twice: 2 * p.times[i]}
		c[0] = p.covariance(i, r, from) // a difference of times that was not there before
		best := math.Inf(1)
		if first > 0 || last == 0 {
			best = own[0] - m.twice*c[0]*times[0]
		}
		for _, s := range [3][2]int{{1, first}, {max(1, first), last}, {max(1, last), n}} {
			if a, b := s[0], s[1]; a < b {
				if d := m.closest(c[a:b], df[a:], dg[a:], times[a:], own[a:]); b <= first || a >= last {
					best = min(best, d)
				}
			}
		}
		squared[i] = min(squared[i], max(0, p.own[i]+best))
	}
}

// earlier lowers squared[i] to the squared distance between window i and the nearest of the windows from first on that end before it begins, of which no more than most are
// looked at.
func (p *profiled) earlier(first, most int, squared []float64) {
	total := min(most, len(p.mean)-p.w-first)
	if total <= 0 {
		return
	}
	rows := len(p.mean) - first - p.w
	cov := make([]float64, rows-1+total)
	df, dg, times, own := p.df[first:], p.dg[first:], p.times[first:], p.own[first:]
	for k := range rows {
		i, n := first+p.w+k, min(total, k+1)
		c := cov[rows-1-k : rows-1-k+n]
		m := move{f: p.df[i], g: p.dg[i], twice: 2 * p.times[i]}
		c[0] = p.covariance(i, p, first)
		best := min(own[0]-m.twice*c[0]*times[0], m.closest(c[1:], df[1:], dg[1:], times[1:], own[1:]))
		squared[i] = min(squared[i], max(0, p.own[i]+best))
	}
}

// pairs lowers squared[i] to the squared distance between window i and the nearest of all that it shares no sample with. Each pair is looked at once.
func (p *profiled) pairs(squared []float64) {
	w, n := p.w, len(p.mean)
	if n <= w {
		return
	}
	cov := make([]float64, n-w) // of window i with window i+w+d
	for d := range cov {
		cov[d] = p.covariance(0, p, w+d)
	}
	for i := 0; i+w < n; i++ {
		c := cov[:n-w-i]
		f, g, own, twice := p.df[i], p.dg[i], p.own[i], 2*p.times[i]
		df, dg, times, other, best := p.df[i+w:][:len(c)], p.dg[i+w:][:len(c)], p.times[i+w:][:len(c)], p.own[i+w:][:len(c)], squared[i+w:][:len(c)]
		least := squared[i]
		for d, x := range c {
			x += f*dg[d] + g*df[d]
			c[d] = x
			v := own + other[d] - twice*x*times[d]
			if v < least {
				least = v
			}
			if v < best[d] {
				best[d] = v
			}
		}
		squared[i] = least
	}
	for i, x := range squared {
		squared[i] = max(0, x)
	}
}

// covariance returns the sum of products of two windows without their means.
func (p *profiled) covariance(i int, r *profiled, j int) float64 {
	x, y := p.values[i:i+p.w], r.values[j:j+p.w]
	return floats.Dot(x, y) - float64(p.w)*p.mean[i]*r.mean[j]
}

// move is a window that was reached from the one before.
type move struct{ f, g, twice float64 }

// closest moves the covariances of the window before with windows up to j on to those of this window with windows up to j+1 and returns the least
// own[j] − twice·cov[j]·times[j]; +Inf for none.
func (m move) closest(cov, df, dg, times, own []float64) float64 {
	n := len(cov)
	df, dg, times, own = df[:n], dg[:n], times[:n], own[:n]
	f, g, twice := m.f, m.g, m.twice
	best := math.Inf(1)
	for j, c := range cov {
		c += f*dg[j] + g*df[j]
		cov[j] = c
		if v := own[j] - twice*c*times[j]; v < best {
			best = v
		}
	}
	return best
}

// unmatched returns one +Inf per window.
func (p *profiled) unmatched() []float64 {
	out := make([]float64, len(p.mean))
	for i := range out {
		out[i] = math.Inf(1)
	}
	return out
}
