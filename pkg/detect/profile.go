package detect

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// profiled is a stretch of samples prepared for the distances between its windows and those of another. A window is taken without its mean and multiplied by times.
type profiled struct {
	values []float64
	w      int
	even   bool // every window is multiplied by the same
	// df and dg are what the covariance of two windows gains when both move on by one sample.
	df, dg []float64
	mean   []float64
	// times is what each window is multiplied by, own its squared length after that, per sample of a window.
	times, own []float64
}

// profile prepares the windows of w samples. A positive scale is one for all: a window is divided by it. With 0 each is divided by its own deviation, and one that does not
// vary has no shape.
func profile(values []float64, w int, scale float64) *profiled {
	p := &profiled{values: values, w: w, even: scale > 0}
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
	n, rows := to-from, len(p.mean)
	x := crossed{p: p, r: r, from: from, n: n, shift: shift, unit: 1, df: r.df[from:to], dg: r.dg[from:to], times: r.times[from:to], own: r.own[from:to]}
	if p.even {
		x.unit, x.times = 2*p.times[0]*p.times[0], ones(n)
	}
	// One covariance per difference of times: that of window i with window from+j lies at rows−1−i+j, and moves on in its place.
	cov := make([]float64, rows-1+n)
	for j := range n {
		cov[rows-1+j] = x.covariance(0, j)
	}
	i := 0
	for ; p.even && i+1 < rows; i += 2 {
		a, b := x.two(i, cov[rows-2-i:rows-1-i+n])
		squared[i] = min(squared[i], max(0, p.own[i]+a))
		squared[i+1] = min(squared[i+1], max(0, p.own[i+1]+b))
	}
	for ; i < rows; i++ {
		squared[i] = min(squared[i], max(0, p.own[i]+x.one(i, cov[rows-1-i:rows-1-i+n])))
	}
}

// crossed are the windows of p beside the n windows of r that begin at from.
type crossed struct {
	p, r               *profiled
	from, n, shift     int
	unit               float64   // what covariances are multiplied by: where all windows are multiplied by the same, it is in them, and they are the products of windows, twice
	df, dg, times, own []float64 // of the windows of r
}

// overlapping returns the stretch of windows of r that share a time with window i: window j of r begins at time j+shift, so they begin w−1 before i up to w−1 after it.
func (x *crossed) overlapping(i int) (first, last int) {
	return i - x.p.w + 1 - x.shift - x.from, i + x.p.w - x.shift - x.from
}

// move returns what leads to window i from the one before.
func (x *crossed) move(i int) move {
	m := move{f: x.unit * x.p.df[i], g: x.unit * x.p.dg[i], twice: 1}
	if !x.p.even {
		m.twice = 2 * x.p.times[i]
	}
	return m
}

func ones(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// covariance is that of window i with window j of those that begin at from.
func (x *crossed) covariance(i, j int) float64 { return x.unit * x.p.covariance(i, x.r, x.from+j) }

// one moves the covariances c of window i−1 on to those of window i and returns the least own − twice·cov·times.
func (x *crossed) one(i int, c []float64) float64 {
	n, m := x.n, x.move(i)
	first, last := x.overlapping(i)
	first, last = min(max(first, 0), n), min(max(last, 0), n)
	c[0] = x.covariance(i, 0) // a difference of times that was not there before
	best := math.Inf(1)
	if first > 0 || last == 0 {
		best = x.own[0] - m.twice*c[0]*x.times[0]
	}
	for _, s := range [3][2]int{{1, first}, {max(1, first), last}, {max(1, last), n}} {
		if a, b := s[0], s[1]; a < b {
			if d := m.closest(c[a:b], x.df[a:], x.dg[a:], x.times[a:], x.own[a:]); b <= first || a >= last {
				best = min(best, d)
			}
		}
	}
	return best
}

// two does what one does for windows i and i+1 in one pass over the covariances, which takes half of the reads and writes. All windows have to be multiplied by the same.
// c begins one place earlier: place k+1 holds that of window i with window k, and then that of window i+1 with window k+1, which overlap in the same places.
func (x *crossed) two(i int, c []float64) (least, next float64) {
	n, m, m1 := x.n, x.move(i), x.move(i+1)
	first, last := x.overlapping(i)
	apart := func(k int) bool { return k < first || k >= last }
	least, next = math.Inf(1), math.Inf(1)
	if c[0] = x.covariance(i+1, 0); apart(-1) {
		next = x.own[0] - c[0]
	}
	if c[1] = x.covariance(i, 0); apart(0) {
		least = x.own[0] - c[1]
	}
	if n == 1 {
		return least, next
	}
	if c[1] = m1.on(c[1], x.df[1], x.dg[1]); apart(0) {
		next = min(next, x.own[1]-c[1])
	}
	begin, end := min(max(first, 1), n-1), min(max(last, 1), n-1)
	for _, s := range [3][2]int{{1, begin}, {begin, end}, {end, n - 1}} {
		if a, b := s[0], s[1]; a < b {
			if d, e := closestTwo(m, m1, c[a+1:b+1], x.df[a:b+1], x.dg[a:b+1], x.own[a:b+1]); apart(a) {
				least, next = min(least, d), min(next, e)
			}
		}
	}
	if c[n] = m.on(c[n], x.df[n-1], x.dg[n-1]); apart(n - 1) {
		least = min(least, x.own[n-1]-c[n])
	}
	return least, next
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

// on moves a covariance on to the next two windows.
func (m move) on(c, df, dg float64) float64 { return c + (m.f*dg + m.g*df) }

// closestTwo moves cov[j] on to the covariance of the first window with window j+1, and from there to that of the second with window j+2, where the other slices begin with
// window j+1; it returns the least own − cov of each.
func closestTwo(m, m1 move, cov, df, dg, own []float64) (least, next float64) {
	least, next = math.Inf(1), math.Inf(1)
	f0, g0, f1, g1 := m.f, m.g, m1.f, m1.g
	f, g, o := df[0], dg[0], own[0]
	df, dg, own = df[1:][:len(cov)], dg[1:][:len(cov)], own[1:][:len(cov)]
	for j, c := range cov {
		c += f0*g + g0*f
		if v := o - c; v < least {
			least = v
		}
		f, g, o = df[j], dg[j], own[j]
		c += f1*g + g1*f
		cov[j] = c
		if v := o - c; v < next {
			next = v
		}
	}
	return least, next
}

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
