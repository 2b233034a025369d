package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Joints.Add(registry.Entry[Joint]{
		Name:    "dbscan",
		Summary: "Distance from the nearest dense place of the training window, whatever the shapes and the number of these.",
		Source:  "Ester, Kriegel, Sander and Xu, A density-based algorithm for discovering clusters, KDD 1996; Schubert et al., DBSCAN revisited, ACM TODS 42(3), 2017, doi:10.1145/3068335",
		New:     func() Joint { return &JointDBSCAN{Neighbours: 5, Noise: 0.02, budget: budget{Budget: 1}} },
	})
}

// JointDBSCAN judges points by their distance from the nearest core point of a density-based clustering, in units of its radius.
type JointDBSCAN struct {
	Neighbours int     `json:"neighbours" yaml:"neighbours" min:"1" max:"100" help:"A place is dense where so many points lie within the radius of one."`
	Noise      float64 `json:"noise" yaml:"noise" min:"0" max:"0.5" help:"Share of the training points that may lie in no dense place; the radius follows from it."`
	budget
}

// Validate accepts all that the tags do.
func (*JointDBSCAN) Validate() error { return nil }

// Catches all kinds.
func (*JointDBSCAN) Catches() []Break { return []Break{Correlation, Together, Apart} }

// Fit finds the core points.
func (d *JointDBSCAN) Fit(train JointTrain) (JointModel, error) { return fitJoint(d, train, d.Budget) }

// Review spreads the distances over the points around.
func (d *JointDBSCAN) Review(train JointTrain, v series.Vector) ([]float64, error) {
	return reviewJoint(d, train, v, reviewSpread)
}

func (*JointDBSCAN) width() int { return 1 }

func (*JointDBSCAN) unmarshal(data []byte) (JointModel, error) { return readJoint(data, readCores) }

// densityPoints bounds the points whose distances are compared pair by pair: a fit costs their square, a score their number.
const densityPoints = 500

func (d *JointDBSCAN) learn(p points, rng *rand.Rand) (jointMeasure, error) {
	at := evenly(windowsOf(p, 1), densityPoints, rng)
	n := len(at)
	if n < max(leastPoints/3, 2*d.Neighbours) {
		return nil, fmt.Errorf("%w: %d points, want at least %d", ErrTooShort, n, max(leastPoints/3, 2*d.Neighbours))
	}
	// The distance of each point to its k-th nearest: the radius is what all but the noise have.
	far := make([]float64, n)
	near := make([]float64, 0, n)
	for i := range at {
		near = near[:0]
		for j := range at {
			if i != j {
				near = append(near, squared(p.row(at[i]-1), p.row(at[j]-1), math.Inf(1)))
			}
		}
		far[i] = robust.Select(near, d.Neighbours-1)
	}
	sorted := slices.Sorted(slices.Values(far))
	radius := sorted[min(int(float64(n)*(1-d.Noise)), n-1)]
	m := &cores{radius: math.Sqrt(radius)}
	if m.radius == 0 { // most points are equal
		m.radius = frameRidge
	}
	for i, x := range far {
		if x <= radius {
			m.at = append(m.at, p.row(at[i]-1)...)
		}
	}
	return m, nil
}

// cores are the points in dense places, one after the other, and the radius of a place.
type cores struct {
	radius float64
	at     []float64
}

func (m *cores) measure(p points, raw, parts []float64) {
	room := make([]float64, p.d)
	guess := 0
	for i := range p.n {
		x := p.row(i)
		best, least := guess, squared(x, m.at[guess*p.d:(guess+1)*p.d], math.Inf(1))
		for c := range len(m.at) / p.d {
			if d := squared(x, m.at[c*p.d:(c+1)*p.d], least); d < least {
				best, least = c, d
			}
		}
		guess = best
		part := p.partsOf(parts, room, i)
		for k, y := range x {
			d := y - m.at[best*p.d+k]
			part[k] = d * d
		}
		raw[i] = math.Sqrt(least) / m.radius
		for k := range part {
			if least > 0 {
				part[k] *= raw[i] / least
			}
		}
	}
}

func (m *cores) write(w wire.Writer) wire.Writer { return w.Floats(m.radius).Slice(m.at) }

func readCores(r *wire.Reader, d int) jointMeasure {
	m := &cores{radius: r.Float(), at: r.Slice()}
	if !(m.radius > 0) || len(m.at) == 0 || len(m.at)%d != 0 {
		r.Fail()
	}
	return m
}
