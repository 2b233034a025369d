package baseline

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// reference is testdata/statespace.json, which testdata/statespace.py made with statsmodels; a missing number is a gap.
type reference struct {
	Structural []struct {
		filtered
		Params struct{ Irregular, Level, Slope, Fading float64 }
		Prior  [][]float64
	}
	Arima []struct {
		filtered
		Order    []int
		Ar, Ma   []float64
		Variance float64 `json:"variance_of"`
	}
	Fitted []struct {
		Y    []*float64
		D    int
		Fits []struct {
			Order   []int
			Loglike float64
		}
	}
}

type filtered struct {
	Name         string
	Y            []*float64
	Loglike      float64
	Expected     []*float64
	VarianceEach []*float64 `json:"variance"`
}

func readReference(t *testing.T) reference {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "statespace.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func numbers(xs []*float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		if out[i] = nan; x != nil {
			out[i] = *x
		}
	}
	return out
}

// near holds to 1e-6, relative above 1.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(b)) }

// compare runs the filter and holds every expectation and variance from sample first on to the reference's.
func (want filtered) compare(t *testing.T, s *space, from start) {
	t.Helper()
	y := numbers(want.Y)
	f := newFilter(s)
	for i, x := range y {
		first := i == 0 && from == diffuse
		if !first && (!near(f.expected(), *want.Expected[i]) || !near(f.f, *want.VarianceEach[i])) {
			t.Fatalf("%s: sample %d is expected at %v ± √%v, statsmodels says %v ± √%v", want.Name, i, f.expected(), f.f, *want.Expected[i], *want.VarianceEach[i])
		}
		switch {
		case first:
			f.first(x)
		case x != x:
			f.miss()
		default:
			f.see(x - f.expected())
		}
	}
	got := s.evaluate(y, from, nil).log()
	if from == diffuse {
		// statsmodels counts the diffuse sample with a variance of 1; here it is not counted.
		got -= 0.5 * math.Log(2*math.Pi)
	}
	if !near(got, want.Loglike) {
		t.Errorf("%s: log-likelihood %v, statsmodels says %v", want.Name, got, want.Loglike)
	}
}

// The filter of the structural models, and their likelihood, are those of statsmodels' UnobservedComponents, gaps included.
func TestStructuralAsStatsmodels(t *testing.T) {
	t.Parallel()
	for _, c := range readReference(t).Structural {
		p := c.Params
		s := local(math.Log(p.Level / p.Irregular))
		if p.Fading > 0 {
			// The fading of 1 lies outside of what is searched: the matrices are made by hand.
			s = dampedTrend([]float64{math.Log(p.Level / p.Irregular), math.Log(p.Slope / p.Irregular), 0})
			s.t[1][1] = p.Fading
		}
		s.multiply(p.Irregular)
		for i := range c.Prior {
			for j := range c.Prior {
				s.p[i][j] = c.Prior[i][j]
			}
		}
		c.compare(t, s, proper)
	}
}

// The filter of the autoregressive moving averages, and their exact likelihood, are those of statsmodels' SARIMAX, differences and gaps included.
func TestARIMAAsStatsmodels(t *testing.T) {
	t.Parallel()
	for _, c := range readReference(t).Arima {
		s := arma{ar: c.Ar, ma: c.Ma, differences: c.Order[1]}.space()
		s.multiply(c.Variance)
		from := proper
		if c.Order[1] > 0 {
			from = diffuse
		}
		c.compare(t, s, from)
	}
}

// No order ends below the likelihood that statsmodels finds for it by more than 0.1 %; with three and two coefficients, where roots nearly cancel and both programs stop on
// ridges (here once 1.4 above it and once 0.9 below), by 0.2 %. What is chosen is not worse than the best that statsmodels finds over all orders, by the same criterion.
func TestARIMALikelihoodAsStatsmodels(t *testing.T) {
	t.Parallel()
	for _, c := range readReference(t).Fitted {
		y := numbers(c.Y)
		compared, least := 0, math.Inf(1)
		for _, want := range c.Fits {
			for _, a := range regressed(y, c.D) {
				if len(a.ar) != want.Order[0] || len(a.ma) != want.Order[2] {
					continue
				}
				compared++
				within := 1e-3
				if len(a.ar) == maxAR && len(a.ma) == maxMA {
					within = 2e-3
				}
				best, _ := a.likeliest(y)
				if got := best.likelihood(y); got < want.Loglike-within*math.Abs(want.Loglike) {
					t.Errorf("order %v: log-likelihood %.3f, statsmodels finds %.3f", want.Order, got, want.Loglike)
				}
				least = min(least, corrected(-2*want.Loglike, float64(len(y)), a))
			}
		}
		if compared != (maxAR+1)*(maxMA+1) {
			t.Fatalf("%d orders compared", compared)
		}
		best, _ := chosen(y)
		if got := corrected(-2*best.likelihood(y), float64(len(y)), best.arma); got > least*(1+1e-3) || best.differences != c.D {
			t.Errorf("chose %+v with a criterion of %.3f, statsmodels' best has %.3f", best.arma, got, least)
		}
	}
}

// likelihood is the exact log-likelihood with the variance concentrated out, as statsmodels counts it.
func (a arma) likelihood(y []float64) float64 {
	s := a.space()
	if a.differences == 0 {
		return s.evaluate(y, proper, nil).concentrated()
	}
	l := s.evaluate(y, diffuse, nil)
	s.multiply(l.scale())
	return s.evaluate(y, diffuse, nil).log() - 0.5*math.Log(2*math.Pi)
}

// The coefficients of a long known process are found again, and its order is not missed by the criterion.
func TestARIMAFindsTheProcess(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range []arma{
		{ar: []float64{0.8}},
		{ar: []float64{0.6, 0.3}, ma: []float64{0.4}},
		{ma: []float64{-0.6}, differences: 1},
	} {
		n := 5000
		y, e := make([]float64, n), make([]float64, n)
		for i := range y {
			e[i] = rng.NormFloat64()
			w := e[i]
			for k, a := range c.ar {
				if i > k {
					w += a * y[i-1-k]
				}
			}
			for k, m := range c.ma {
				if i > k {
					w += m * e[i-1-k]
				}
			}
			if c.differences > 0 && i > 0 {
				w += y[i-1]
			}
			y[i] = w
		}
		own, err := boxJenkins{}.learn(y, 0)
		if err != nil {
			t.Fatal(err)
		}
		// One sample ahead it does as well as the process itself: the variance of e is 1.
		if v := own.(linear).usual; math.Abs(v-1) > 0.06 {
			t.Errorf("%+v: errors of variance %.3f, want 1", c, v)
		}
	}
}

// Partial autocorrelations and coefficients turn into each other, and models of the search are stationary and invertible.
func TestPartials(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		x := make([]float64, 5)
		for i := range x {
			x[i] = 1.5 * rng.NormFloat64()
			x[i] = min(max(x[i], -2), 2)
		}
		a := armaOf(x, 3, 0)
		for i, got := range a.point() {
			if math.Abs(got-x[i]) > 1e-6 {
				t.Fatalf("%v comes back as %v", x, a.point())
			}
		}
		p := a.space().p
		s := a.space()
		again := s.t.times(p).times(s.t.transposed())
		for i := range s.n {
			for j := range s.n {
				if math.Abs(again[i][j]+s.q[i][j]-p[i][j]) > 1e-8*(1+math.Abs(p[0][0])) {
					t.Fatalf("%+v: P is not stationary at %d, %d", a, i, j)
				}
			}
		}
	}
}

// The variances of a structural series are found again.
func TestKalmanFindsTheVariances(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	y := make([]float64, 5000)
	level := 0.0
	for i := range y {
		level += 0.2 * rng.NormFloat64()
		y[i] = level + rng.NormFloat64()
		if i%50 == 7 {
			y[i] = nan
		}
	}
	own, err := structural{}.learn(y, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := own.(linear)
	if math.Abs(s.h-1) > 0.1 || math.Abs(math.Sqrt(s.q[0][0])-0.2) > 0.03 || s.n != 1 {
		t.Errorf("%d states, noise of variance %.3f and steps of deviation %.3f; want 1, 1 and 0.2", s.n, s.h, math.Sqrt(s.q[0][0]))
	}
}

// Rosenbrock's valley has its bottom at (1, 1).
func TestMinimize(t *testing.T) {
	t.Parallel()
	x, v := minimize(func(x []float64) float64 {
		return 100*(x[1]-x[0]*x[0])*(x[1]-x[0]*x[0]) + (1-x[0])*(1-x[0])
	}, []float64{-1.2, 1}, 0.5, 400)
	if math.Abs(x[0]-1) > 0.01 || math.Abs(x[1]-1) > 0.02 {
		t.Errorf("%v at %v", v, x)
	}
	calls := 0
	minimize(func([]float64) float64 { calls++; return float64(calls) }, []float64{0, 0}, 1, 20)
	if calls > 24 {
		t.Errorf("%d evaluations, want about 20", calls)
	}
}
