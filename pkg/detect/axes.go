package detect

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/foreshock/foreshock/pkg/wire"
)

// axes measures how far windows of w samples lie from the usual ones: the sum of (row·x − offset)² over its rows, which is a quadratic form in the window. Where rest
// is set it is what the rows leave of |x − mean|².
type axes struct {
	w int
	// rows holds the rows one after another. Those of a triangle lack their leading zeros: row a has w − a numbers.
	rows     []float64
	offset   []float64
	triangle bool
	// mean is that of the windows, for the rest only.
	mean []float64
}

var errNoAxes = errors.New("the principal axes of the windows cannot be found")

// whitened returns axes on which ordinary windows vary alike: the mean squared distance along all principal axes of the correlation, each in its own deviation, so
// that axes of small variance count as much as those of large one. An eigenvalue below floor times the largest counts as that.
func whitened(g *gram, floor float64) (*axes, error) {
	mean, cov := g.covariance()
	dev := correlation(cov)
	values, vectors, err := eigen(cov)
	if err != nil {
		return nil, err
	}
	w := g.w
	least := floor * values[w-1]
	if !(least > 0) {
		least = 1 // nothing varies
	}
	// Row k is axis k over its deviation; the factor R of rows = Q·R gives the same distances with half of the work.
	rows := mat.NewDense(w, w, nil)
	for k := range w {
		weight := 1 / math.Sqrt(max(values[k], least)*float64(w))
		for a := range w {
			rows.Set(k, a, vectors.At(a, k)*weight/dev[a])
		}
	}
	var qr mat.QR
	qr.Factorize(rows)
	var r mat.Dense
	qr.RTo(&r)
	m := &axes{w: w, triangle: true, rows: make([]float64, 0, w*(w+1)/2), offset: make([]float64, w)}
	for a := range w {
		row := r.RawRowView(a)[a:]
		m.rows = append(m.rows, row...)
		m.offset[a] = floats.Dot(row, mean[a:])
	}
	return m, nil
}

// leftOver returns the axes of what principal axes that hold at most share of the variance, at least one, do not explain.
func leftOver(g *gram, share float64) (*axes, error) {
	mean, cov := g.covariance()
	values, vectors, err := eigen(cov)
	if err != nil {
		return nil, err
	}
	w := g.w
	total, held, kept := 0.0, 0.0, 0
	for _, v := range values {
		total += max(0, v)
	}
	for k := w - 1; k >= 0 && held+values[k] <= share*total; k-- {
		held += values[k]
		kept++
	}
	kept = max(1, kept)
	m := &axes{w: w, mean: mean, rows: make([]float64, 0, kept*w)}
	for k := w - kept; k < w; k++ {
		for a := range w {
			m.rows = append(m.rows, vectors.At(a, k))
		}
		m.offset = append(m.offset, floats.Dot(m.rows[len(m.rows)-w:], mean))
	}
	return m, nil
}

// eigen returns the eigenvalues, lowest first, and the vectors in columns.
func eigen(cov *mat.SymDense) ([]float64, *mat.Dense, error) {
	var e mat.EigenSym
	if !e.Factorize(cov, true) {
		return nil, nil, errNoAxes
	}
	var v mat.Dense
	e.VectorsTo(&v)
	return e.Values(nil), &v, nil
}

// distances returns the squared distance of every window of the values.
func (m *axes) distances(values []float64) []float64 {
	out := make([]float64, max(0, len(values)-m.w+1))
	for i := range out {
		out[i] = m.distance(values[i : i+m.w])
	}
	return out
}

// distance returns the squared distance of one window.
func (m *axes) distance(x []float64) float64 {
	sum, rows := 0.0, m.rows
	for a, offset := range m.offset {
		part := x
		if m.triangle {
			part = x[a:]
		}
		y := floats.Dot(rows[:len(part)], part) - offset
		sum += y * y
		rows = rows[len(part):]
	}
	if m.triangle {
		return sum
	}
	all := 0.0
	for a, mean := range m.mean {
		d := x[a] - mean
		all += d * d
	}
	return max(0, all-sum)
}

func (m *axes) write(w wire.Writer) wire.Writer {
	return w.Ints(int64(m.w)).Slice(m.rows).Slice(m.offset).Slice(m.mean)
}

// readAxes reads what write wrote and fails on what does not fit together.
func readAxes(r *wire.Reader) *axes {
	m := &axes{w: int(r.Int()), rows: r.Slice(), offset: r.Slice(), mean: r.Slice()}
	m.triangle = len(m.mean) == 0
	w := m.w
	if w < 1 || w > maxWindow || m.triangle && (len(m.offset) != w || len(m.rows) != w*(w+1)/2) || !m.triangle && (len(m.mean) != w || len(m.rows) != w*len(m.offset)) {
		r.Fail()
		return &axes{w: 1}
	}
	return m
}

// maxWindow bounds the windows of detectors, in samples.
const maxWindow = 303
