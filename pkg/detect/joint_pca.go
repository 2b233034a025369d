package detect

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Joints.Add(registry.Entry[Joint]{
		Name:    "pca",
		Summary: "Distance from the few directions in which the dimensions usually move together.",
		Source:  "Jackson and Mudholkar, Control procedures for residuals associated with principal component analysis, Technometrics 21(3), 1979, doi:10.1080/00401706.1979.10489779; Lakhina, Crovella and Diot, SIGCOMM 2004, doi:10.1145/1015467.1015492",
		New:     func() Joint { return &JointPCA{Share: 0.9, budget: budget{Budget: 1}} },
	})
}

// JointPCA judges points by their distance from the subspace that holds most of the variance.
type JointPCA struct {
	Share float64 `json:"share" yaml:"share" min:"0.1" max:"0.999" help:"Share of the variance that counts as usual movement; what is left is judged."`
	budget
}

// Validate accepts all that the tags do.
func (*JointPCA) Validate() error { return nil }

// Catches what leaves the usual directions; a move along them is usual, however far.
func (*JointPCA) Catches() []Break { return []Break{Correlation, Apart} }

// Fit learns the axes.
func (d *JointPCA) Fit(train JointTrain) (JointModel, error) { return fitJoint(d, train, d.Budget) }

// Review spreads the distances over the points around.
func (d *JointPCA) Review(train JointTrain, v series.Vector) ([]float64, error) {
	return reviewJoint(d, train, v, reviewSpread)
}

func (*JointPCA) width() int { return 1 }

func (*JointPCA) unmarshal(data []byte) (JointModel, error) { return readJoint(data, readSubspace) }

func (d *JointPCA) learn(p points, _ *rand.Rand) (jointMeasure, error) {
	if n := p.there(); n < leastPoints/2 {
		return nil, fmt.Errorf("%w: %d points, want at least %d", ErrTooShort, n, leastPoints/2)
	}
	mean := meanOf(p)
	m := &subspace{mean: mean}
	m.axes, _ = principal(p, mean, d.Share)
	return m, nil
}

// subspace is a centre and orthonormal axes, one row each.
type subspace struct{ mean, axes []float64 }

func (m *subspace) measure(p points, raw, parts []float64) {
	room := make([]float64, p.d)
	d := p.d
	x := make([]float64, d)
	for i := range p.n {
		for k, y := range p.row(i) {
			x[k] = y - m.mean[k]
		}
		left := p.partsOf(parts, room, i)
		copy(left, x)
		for a := 0; a < len(m.axes); a += d {
			axis := m.axes[a : a+d]
			dot := 0.0
			for k, w := range axis {
				dot += w * x[k]
			}
			for k, w := range axis {
				left[k] -= dot * w
			}
		}
		rooted(left, raw, i)
	}
}

// rooted makes parts of squares: from distances per dimension to shares of the raw score at i, which is their root mean square.
func rooted(left, raw []float64, i int) {
	square := 0.0
	for k, y := range left {
		left[k] = y * y
		square += left[k]
	}
	raw[i] = math.Sqrt(square / float64(len(left)))
	for k := range left {
		if square > 0 {
			left[k] *= raw[i] / square
		}
	}
}

func (m *subspace) write(w wire.Writer) wire.Writer { return w.Slice(m.mean).Slice(m.axes) }

func readSubspace(r *wire.Reader, d int) jointMeasure {
	m := &subspace{mean: r.Slice(), axes: r.Slice()}
	if len(m.mean) != d || len(m.axes) == 0 || len(m.axes)%d != 0 || len(m.axes) > d*d {
		r.Fail()
	}
	return m
}
