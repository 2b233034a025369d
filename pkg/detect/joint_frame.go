package detect

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// points is a run of points in units of the usual distance of each dimension: point i is at[i*d : (i+1)*d].
type points struct {
	n, d int
	at   []float64
	// out marks points that are not there: too few dimensions have a sample, or it is held out. They repeat the point before.
	out []bool
}

func (p points) row(i int) []float64 { return p.at[i*p.d : (i+1)*p.d] }

const (
	// leastPoints is what a fit needs: below it, neither a spread nor a relation is known.
	leastPoints = 60
	// maxDimensions bounds the matrices: fits cost the square of the number of dimensions, and their inverses the cube.
	maxDimensions = 128
	// frameRidge is added to the correlation matrix that tells dimensions from each other: relations tighter than a tenth of a usual distance are rounding.
	frameRidge = 0.01
	// saturated limits a standardised value, so that its square cannot overflow and one broken dimension not hide what happens in the others.
	saturated = 50
	// widen is how much wider than what the training window held, but for one sample in a thousand on each side, a usual range is.
	widen = 0.1
)

// frame is what all joint detectors know of the dimensions: the usual value and distance of each, its usual range, and how each follows from the others.
type frame struct {
	d             int
	center, scale []float64
	lower, upper  []float64 // usual range, in the unit of the dimension
	precision     []float64 // d × d: the inverse of the correlation with a ridge
	relation      []float64 // usual |distance from what the others say|, per dimension, standardised
	expected      []float64 // median
	allConstant   bool      // no dimension varies
}

// newFrame learns from the samples. The error wraps ErrTooShort.
func newFrame(v series.Vector) (*frame, error) {
	d := len(v.Values)
	if d == 0 || d > maxDimensions {
		return nil, fmt.Errorf("%w: %d, want 1 to %d: aggregate them, or group them by a label", ErrDimensions, d, maxDimensions)
	}
	if n := present(v); n < leastPoints {
		return nil, fmt.Errorf("%w: %d points with at least half of the dimensions, want at least %d", ErrTooShort, n, leastPoints)
	}
	f := &frame{d: d}
	for _, p := range []*[]float64{&f.center, &f.scale, &f.lower, &f.upper, &f.relation, &f.expected} {
		*p = make([]float64, d)
	}
	f.allConstant = true
	var scratch []float64
	for k, values := range v.Values {
		scratch = scratch[:0]
		for _, x := range values {
			if baseline.Usable(x) {
				scratch = append(scratch, x)
			}
		}
		if len(scratch) == 0 { // a dimension without a sample says nothing, now and later
			f.scale[k], f.expected[k], f.lower[k], f.upper[k] = math.Inf(1), math.NaN(), math.NaN(), math.NaN()
			continue
		}
		f.allConstant = f.dimension(k, scratch) && f.allConstant
	}
	f.identity()
	f.relations(f.points(v))
	return f, nil
}

// dimension learns one dimension from its samples, which it reorders, and reports whether it is constant.
func (f *frame) dimension(k int, x []float64) bool {
	slices.Sort(x)
	n := len(x)
	f.expected[k] = robust.Quantile(x, 0.5)
	f.lower[k], f.upper[k] = x[n/1000], x[n-1-n/1000]
	reach := widen * (f.upper[k] - f.lower[k])
	f.lower[k], f.upper[k] = f.lower[k]-reach, f.upper[k]+reach
	// Halved before it is added: a sum of usable values may not fit into a number.
	mean := 0.0
	for _, v := range x {
		mean += v / float64(n)
	}
	sum := 0.0
	for _, v := range x {
		r := (v - mean) / math.Max(math.Abs(x[0]-mean), math.Max(math.Abs(x[n-1]-mean), math.SmallestNonzeroFloat64))
		sum += r * r
	}
	f.center[k] = mean
	f.scale[k] = math.Sqrt(sum/float64(n)) * math.Max(math.Abs(x[0]-mean), math.Abs(x[n-1]-mean))
	// A distance may be too small for a number, where the smallest ones are all there is.
	if x[n-1]-x[0] > rounding*math.Max(math.Abs(x[0]), math.Abs(x[n-1])) && f.scale[k] > 0 {
		return false
	}
	// Nothing is known of the usual distance: a change counts by its size relative to the value.
	f.center[k] = f.expected[k]
	f.scale[k] = math.Abs(f.center[k])
	if f.scale[k] == 0 {
		f.scale[k] = 1
	}
	return true
}

// present counts the points of which at least half of the dimensions are there.
func present(v series.Vector) int {
	n := 0
	for i := range v.Grid.N {
		if enough(v, i) {
			n++
		}
	}
	return n
}

// enough reports whether at least half of the dimensions have a sample at i.
func enough(v series.Vector, i int) bool {
	have := 0
	for _, x := range v.Values {
		if baseline.Usable(x[i]) {
			have++
		}
	}
	return have > 0 && 2*have >= len(v.Values)
}

// identity forgets the relations between dimensions.
func (f *frame) identity() {
	f.precision = make([]float64, f.d*f.d)
	for k := range f.d {
		f.precision[k*f.d+k] = 1
	}
}

// relations learns how dimensions follow from each other, and how well.
func (f *frame) relations(p points) {
	if inv, ok := inverse(covariance(p, nil, frameRidge)); ok {
		f.precision = inv
	}
	u := make([][]float64, f.d)
	for i := range p.n {
		if p.out[i] {
			continue
		}
		x := p.row(i)
		for k := range f.d {
			u[k] = append(u[k], math.Abs(f.apart(x, k)))
		}
	}
	for k := range f.d {
		if n := len(u[k]); n > 0 {
			slices.Sort(u[k])
			f.relation[k] = max((1+widen)*u[k][n-1-n/1000], frameRidge)
		}
	}
}

// apart returns how far dimension k of a point is from what the other dimensions say.
func (f *frame) apart(x []float64, k int) float64 {
	row := f.precision[k*f.d : (k+1)*f.d]
	sum := 0.0
	for j, p := range row {
		sum += p * x[j]
	}
	return sum / row[k]
}

// points standardises the samples. A missing dimension takes the value that the others say it has, so that it makes the point neither more nor less usual.
func (f *frame) points(v series.Vector) points {
	p := points{n: v.Grid.N, d: f.d, at: make([]float64, v.Grid.N*f.d), out: make([]bool, v.Grid.N)}
	var missing []int
	last := make([]float64, f.d)
	for i := range p.n {
		x := p.row(i)
		if !enough(v, i) {
			p.out[i] = true
			copy(x, last)
			continue
		}
		missing = missing[:0]
		for k := range f.d {
			if !baseline.Usable(v.Values[k][i]) || math.IsInf(f.scale[k], 0) {
				missing = append(missing, k)
				continue
			}
			x[k] = min(max((v.Values[k][i]-f.center[k])/f.scale[k], -saturated), saturated)
		}
		if len(missing) > 0 {
			f.impute(x, missing)
		}
		last = x
	}
	return p
}

// impute solves P_mm x_m = −P_mo x_o: the mean of the missing dimensions given the others, for Gaussian ones.
func (f *frame) impute(x []float64, missing []int) {
	m := len(missing)
	if m == f.d {
		return
	}
	a := mat.NewSymDense(m, nil)
	b := mat.NewVecDense(m, nil)
	for r, k := range missing {
		row := f.precision[k*f.d : (k+1)*f.d]
		sum := 0.0
		for j, p := range row {
			sum -= p * x[j] // the missing ones are still 0
		}
		b.SetVec(r, sum)
		for c := r; c < m; c++ {
			a.SetSym(r, c, row[missing[c]])
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(a) {
		return
	}
	var out mat.VecDense
	if chol.SolveVecTo(&out, b) != nil {
		return
	}
	for r, k := range missing {
		if y := out.AtVec(r); y-y == 0 {
			x[k] = min(max(y, -saturated), saturated)
		}
	}
}

// kind tells what kind of abnormal a point is.
func (f *frame) kind(v series.Vector, i int, x []float64) Break {
	outside, moved, most := 0, 0, 0.0
	for k := range f.d {
		value := v.Values[k][i]
		if !baseline.Usable(value) || math.IsInf(f.scale[k], 0) {
			continue
		}
		half := (f.upper[k] - f.lower[k]) / 2
		reach := math.Abs(value-(f.lower[k]+half)) / math.Max(half, rounding*math.Max(math.Abs(f.expected[k]), rounding))
		most = max(most, reach)
		if reach > 1 {
			outside++
		}
		if reach > 0.5 {
			moved++
		}
	}
	if outside == 0 {
		return Correlation
	}
	broken := 0.0
	for k := range f.d {
		broken = max(broken, math.Abs(f.apart(x, k))/f.relation[k])
	}
	if outside >= 2 && 2*moved >= f.d && broken <= max(1, most/2) {
		return Together
	}
	return Apart
}

func (f *frame) write(w wire.Writer) wire.Writer {
	constant := int64(0)
	if f.allConstant {
		constant = 1
	}
	return w.Ints(int64(f.d), constant).Slice(f.center).Slice(f.scale).Slice(f.lower).Slice(f.upper).Slice(f.precision).Slice(f.relation).Slice(f.expected)
}

func readFrame(r *wire.Reader) *frame {
	f := &frame{d: int(r.Int()), allConstant: r.Int() == 1}
	f.center, f.scale, f.lower, f.upper, f.precision, f.relation, f.expected = r.Slice(), r.Slice(), r.Slice(), r.Slice(), r.Slice(), r.Slice(), r.Slice()
	for _, s := range [][]float64{f.center, f.scale, f.lower, f.upper, f.relation, f.expected} {
		if len(s) != f.d {
			r.Fail()
		}
	}
	if f.d < 1 || f.d > maxDimensions || len(f.precision) != f.d*f.d {
		r.Fail()
	}
	return f
}
