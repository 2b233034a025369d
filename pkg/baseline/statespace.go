package baseline

import (
	"math"

	"github.com/foreshock/foreshock/pkg/wire"
)

// maxStates bounds the state of a linear model: an ARIMA(3,1,2) has four numbers.
const maxStates = 4

type (
	vector [maxStates]float64
	matrix [maxStates][maxStates]float64
)

// space is a linear Gaussian model in state-space form, in units of the residuals' scale:
//
//	y(t) = z·α(t) + ε(t),  ε ~ N(0, h)          α(t+1) = T·α(t) + η(t),  η ~ N(0, Q)
//
// The first sample is predicted from α ~ N(0, P). Source: Durbin and Koopman, Time Series Analysis by State Space Methods, 2nd ed., Oxford 2012, sections 4.3 and 7.2.
type space struct {
	n    int // states in use
	t, q matrix
	z    vector
	h    float64
	p    matrix
	// usual is the variance of an innovation after many samples without a gap.
	usual float64
}

// settle finds the usual variance of an innovation.
func (s *space) settle() {
	f := newFilter(s)
	for range 2000 {
		if f.steady {
			break
		}
		f.see(0)
	}
	s.usual = f.f
}

// filter is a Kalman filter in motion: a and p are what is known of the state at the next sample, before it is seen.
type filter struct {
	*space
	a vector
	p matrix
	// m is P·z, f the variance of the next innovation, k the gain T·P·z/f.
	m, k vector
	f    float64
	// steady is set once p changes no more: it stays so until a sample is missing.
	steady bool
}

// steadyEnough is the relative change of the innovation's variance from which on the filter counts as settled.
const steadyEnough = 1e-10

func newFilter(s *space) *filter {
	f := &filter{space: s, p: s.p}
	f.prepare()
	return f
}

// prepare computes the gain from p. One and two states are written out: they are what most fits spend their time on.
func (f *filter) prepare() {
	switch f.n {
	case 1:
		f.m[0] = f.p[0][0] * f.z[0]
		f.f = f.h + f.z[0]*f.m[0]
		f.k[0] = f.t[0][0] * f.m[0] / f.f
		return
	case 2:
		f.m[0] = f.p[0][0]*f.z[0] + f.p[0][1]*f.z[1]
		f.m[1] = f.p[1][0]*f.z[0] + f.p[1][1]*f.z[1]
		f.f = f.h + f.z[0]*f.m[0] + f.z[1]*f.m[1]
		inverse := 1 / f.f
		f.k[0] = (f.t[0][0]*f.m[0] + f.t[0][1]*f.m[1]) * inverse
		f.k[1] = (f.t[1][0]*f.m[0] + f.t[1][1]*f.m[1]) * inverse
		return
	}
	f.f = f.h
	for i := range f.n {
		sum := 0.0
		for j := range f.n {
			sum += f.p[i][j] * f.z[j]
		}
		f.m[i] = sum
		f.f += f.z[i] * sum
	}
	inverse := 1 / f.f
	for i := range f.n {
		sum := 0.0
		for j := range f.n {
			sum += f.t[i][j] * f.m[j]
		}
		f.k[i] = sum * inverse
	}
}

// expected returns the expected next sample.
func (f *filter) expected() float64 {
	c := 0.0
	for i := range f.n {
		c += f.z[i] * f.a[i]
	}
	return c
}

// see moves on by a sample that lies v from what was expected.
func (f *filter) see(v float64) {
	f.move(v)
	if f.steady {
		return
	}
	inverse := 1 / f.f
	for i := range f.n {
		weight := f.m[i] * inverse
		for j := range f.n {
			f.p[i][j] -= weight * f.m[j]
		}
	}
	before, gain := f.f, f.k
	f.grow()
	f.steady = math.Abs(f.f-before) <= steadyEnough*before
	for i := range f.n {
		f.steady = f.steady && math.Abs(f.k[i]-gain[i]) <= steadyEnough*(1+math.Abs(gain[i]))
	}
}

// miss moves on without a sample.
func (f *filter) miss() {
	f.move(0)
	f.grow()
	f.steady = false
}

func (f *filter) move(v float64) {
	switch f.n {
	case 1:
		f.a[0] = f.t[0][0]*f.a[0] + f.k[0]*v
		return
	case 2:
		a, b := f.a[0], f.a[1]
		f.a[0] = f.t[0][0]*a + f.t[0][1]*b + f.k[0]*v
		f.a[1] = f.t[1][0]*a + f.t[1][1]*b + f.k[1]*v
		return
	}
	var a vector
	for i := range f.n {
		sum := f.k[i] * v
		for j := range f.n {
			sum += f.t[i][j] * f.a[j]
		}
		a[i] = sum
	}
	f.a = a
}

// grow moves p to the next sample: T·P·T' + Q.
func (f *filter) grow() {
	switch f.n {
	case 1:
		f.p[0][0] = f.t[0][0]*f.t[0][0]*f.p[0][0] + f.q[0][0]
		f.prepare()
		return
	case 2:
		t, p := &f.t, &f.p
		a, b := t[0][0]*p[0][0]+t[0][1]*p[1][0], t[0][0]*p[0][1]+t[0][1]*p[1][1]
		c, d := t[1][0]*p[0][0]+t[1][1]*p[1][0], t[1][0]*p[0][1]+t[1][1]*p[1][1]
		p[0][0] = a*t[0][0] + b*t[0][1] + f.q[0][0]
		p[0][1] = a*t[1][0] + b*t[1][1] + f.q[0][1]
		p[1][0] = p[0][1]
		p[1][1] = c*t[1][0] + d*t[1][1] + f.q[1][1]
		f.prepare()
		return
	}
	var tp matrix
	for i := range f.n {
		for j := range f.n {
			for k := range f.n {
				tp[i][j] += f.t[i][k] * f.p[k][j]
			}
		}
	}
	for i := range f.n {
		for j := i; j < f.n; j++ {
			sum := f.q[i][j]
			for k := range f.n {
				sum += tp[i][k] * f.t[j][k]
			}
			f.p[i][j], f.p[j][i] = sum, sum
		}
	}
	f.prepare()
}

// first takes the first sample of a model whose state 0 may be anywhere and is seen with weight 1: the exact diffuse start. The other states keep what was known of them.
func (f *filter) first(y float64) {
	rest := y
	var cov vector // of the other states with z·α over them
	variance := f.h
	for i := 1; i < f.n; i++ {
		rest -= f.z[i] * f.a[i]
		for j := 1; j < f.n; j++ {
			cov[i] += f.p[i][j] * f.z[j]
		}
		variance += f.z[i] * cov[i]
	}
	f.a[0] = rest
	f.p[0][0] = variance
	for i := 1; i < f.n; i++ {
		f.p[0][i], f.p[i][0] = -cov[i], -cov[i]
	}
	f.miss()
}

// likelihood is what a filter makes of a series.
type likelihood struct {
	// n counts the samples that were predicted, squares sums v²/F and logs sums log F over them.
	n             int
	squares, logs float64
}

// log returns the Gaussian log-likelihood when variances are absolute.
func (l likelihood) log() float64 {
	return -0.5 * (float64(l.n)*math.Log(2*math.Pi) + l.logs + l.squares)
}

// scale returns the factor on all variances at which the likelihood is highest.
func (l likelihood) scale() float64 { return l.squares / float64(l.n) }

// concentrated returns the log-likelihood at that factor.
func (l likelihood) concentrated() float64 {
	n := float64(l.n)
	return -0.5 * (n*(math.Log(2*math.Pi*l.scale())+1) + l.logs)
}

// start says how a likelihood begins.
type start int

const (
	// proper predicts the first sample from the prior of the model.
	proper start = iota
	// diffuse takes the first sample for the level and does not predict it.
	diffuse
	// conditional counts from the second sample on: a model with a prior is compared with one without on the same samples.
	conditional
)

// evaluate runs the filter over the samples, NaN for gaps. It writes the innovation of each sample that counts, over its deviation, into dst, NaN for the others, unless dst
// is nil.
func (s *space) evaluate(y []float64, from start, dst []float64) likelihood {
	var l likelihood
	f := newFilter(s)
	product := 1.0
	seen := false
	for i, x := range y {
		if dst != nil {
			dst[i] = nan
		}
		if x != x {
			if seen || from != diffuse {
				f.miss()
			}
			continue
		}
		if !seen && from != proper {
			seen = true
			if from == diffuse {
				f.first(x)
			} else {
				f.see(x - f.expected())
			}
			continue
		}
		seen = true
		v := x - f.expected()
		l.n++
		l.squares += v * v / f.f
		if dst != nil {
			dst[i] = v / math.Sqrt(f.f)
		}
		if product *= f.f; product > 1e100 || product < 1e-100 { // a logarithm is dear, a product is not
			l.logs += math.Log(product)
			product = 1
		}
		f.see(v)
	}
	l.logs += math.Log(product)
	return l
}

// write appends the model.
func (s *space) write(w wire.Writer) wire.Writer {
	w = w.Ints(int64(s.n)).Floats(s.h, s.usual)
	for i := range s.n {
		w = w.Floats(s.z[i])
		for j := range s.n {
			w = w.Floats(s.t[i][j], s.q[i][j], s.p[i][j])
		}
	}
	return w
}

// readSpace reads what write wrote.
func readSpace(r *wire.Reader) *space {
	s := &space{n: int(r.Int()), h: r.Float(), usual: r.Float()}
	if s.n < 1 || s.n > maxStates || !(s.usual > 0) || !(s.h >= 0) {
		r.Fail()
		s.n = 1
	}
	for i := range s.n {
		s.z[i] = r.Float()
		for j := range s.n {
			s.t[i][j], s.q[i][j], s.p[i][j] = r.Float(), r.Float(), r.Float()
		}
	}
	return s
}
