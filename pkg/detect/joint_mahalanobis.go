package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Joints.Add(registry.Entry[Joint]{
		Name:    "mahalanobis",
		Summary: "Distance from the usual point in units of how the dimensions usually vary with each other: finds broken correlations.",
		Source:  "Mahalanobis, Proc. Nat. Inst. Sci. India 2(1), 1936; shrinkage by Ledoit and Wolf, J. Multivariate Anal. 88(2), 2004, doi:10.1016/S0047-259X(03)00096-4; concentration as in Rousseeuw and Van Driessen, Technometrics 41(3), 1999, doi:10.1080/00401706.1999.10485670",
		New:     func() Joint { return &Mahalanobis{Trim: 0, Ridge: 0.01, budget: budget{Budget: 1}} },
	})
}

// Mahalanobis judges points by their Mahalanobis distance from the centre of the training window.
type Mahalanobis struct {
	Trim  float64 `json:"trim" yaml:"trim" min:"0" max:"0.4" help:"Share of the training points, the saturated ones, that the usual shape is learnt without: incidents in the window do not count as normal."`
	Ridge float64 `json:"ridge" yaml:"ridge" min:"0.000001" max:"1" help:"Variance added to every dimension, as a share of its own: relations tighter than that are taken for rounding."`
	budget
}

// Validate accepts all that the tags do.
func (*Mahalanobis) Validate() error { return nil }

// Catches all kinds.
func (*Mahalanobis) Catches() []Break { return []Break{Correlation, Together, Apart} }

// Fit learns centre and covariance.
func (d *Mahalanobis) Fit(train JointTrain) (JointModel, error) {
	return fitJoint(d, train, d.Budget)
}

// Review spreads the distances over the points around.
func (d *Mahalanobis) Review(train JointTrain, v series.Vector) ([]float64, error) {
	return reviewJoint(d, train, v, reviewSpread)
}

// reviewSpread is how many points around one share its score in a review: labelled ranges are longer than the points that stand out in them.
const reviewSpread = 10

func (*Mahalanobis) width() int { return 1 }

func (*Mahalanobis) unmarshal(data []byte) (JointModel, error) {
	return readJoint(data, readEllipsoid)
}

// trimRounds is how often the saturated points are left out anew: the shape changes little after the second time.
const trimRounds = 2

func (d *Mahalanobis) learn(p points, _ *rand.Rand) (jointMeasure, error) {
	if n := p.there(); n < leastPoints/2 {
		return nil, fmt.Errorf("%w: %d points, want at least %d", ErrTooShort, n, leastPoints/2)
	}
	kept := p
	var m *ellipsoid
	for round := range trimRounds + 1 {
		mean := meanOf(kept)
		inv, ok := inverse(covariance(kept, mean, d.Ridge))
		if !ok {
			return nil, fmt.Errorf("%w: the dimensions have no covariance", ErrTooShort)
		}
		m = &ellipsoid{mean: mean, precision: inv}
		if d.Trim == 0 || round == trimRounds {
			break
		}
		raw := make([]float64, p.n)
		m.measure(p, raw, nil)
		sorted := make([]float64, 0, p.n)
		for i, out := range p.out {
			if !out {
				sorted = append(sorted, raw[i])
			}
		}
		slices.Sort(sorted)
		limit := sorted[min(int(float64(len(sorted))*(1-d.Trim)), len(sorted)-1)]
		kept.out = slices.Clone(p.out)
		for i := range kept.out {
			kept.out[i] = kept.out[i] || raw[i] > limit
		}
	}
	return m, nil
}

// ellipsoid is a centre and the inverse of a covariance.
type ellipsoid struct{ mean, precision []float64 }

func (m *ellipsoid) measure(p points, raw, parts []float64) {
	room := make([]float64, p.d)
	x := make([]float64, p.d)
	for i := range p.n {
		for k, y := range p.row(i) {
			x[k] = y - m.mean[k]
		}
		part := p.partsOf(parts, room, i)
		square := max(quadratic(m.precision, x, part), 0)
		raw[i] = math.Sqrt(square / float64(p.d))
		for k := range part {
			if square > 0 {
				part[k] *= raw[i] / square
			}
		}
	}
}

func (m *ellipsoid) write(w wire.Writer) wire.Writer { return w.Slice(m.mean).Slice(m.precision) }

func readEllipsoid(r *wire.Reader, d int) jointMeasure {
	m := &ellipsoid{mean: r.Slice(), precision: r.Slice()}
	if len(m.mean) != d || len(m.precision) != d*d {
		r.Fail()
	}
	return m
}
