package detect

import (
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "ocsvm",
		Summary: "Draws a smooth border around usual samples and tells how far outside a sample lies.",
		Source:  "Schölkopf et al., Estimating the Support of a High-Dimensional Distribution, Neural Computation 13(7), 2001, doi:10.1162/089976601750264965",
		New:     func() Detector { return &OneClassSVM{Outliers: 0.05, Reference: 1000, budget: budget{Budget: 1}} },
	})
}

// OneClassSVM judges a sample by where it lies to a border around known ones, each described by what it is beside those before it (see lagged).
type OneClassSVM struct {
	Outliers  float64 `json:"outliers" yaml:"outliers" min:"0.001" max:"0.5" help:"At most this share of the training samples may lie outside the border."`
	Reference int     `json:"reference" yaml:"reference" min:"50" max:"4000" unit:"samples" help:"How many samples of the training window the border is drawn around."`
	budget
}

// Validate accepts all that the tags do.
func (*OneClassSVM) Validate() error { return nil }

// Catches what is far from what came before it.
func (*OneClassSVM) Catches() Kinds { return Spike | Drop | Shift }

// Context is what the features look back.
func (*OneClassSVM) Context(int64) int { return lagContext }

// Fit draws the border and calibrates the threshold on parts that it was not drawn around.
func (d *OneClassSVM) Fit(train Train) (Model, error) {
	return fitMeasured(d, lagContext, train, d.Budget)
}

const (
	// svmTolerance is how far from the optimum a fit may stay; LIBSVM's own.
	svmTolerance = 1e-3
	// svmSquash is where features begin to be pressed together: a kernel sees what is far out as far, whatever the distance, and one wild sample must not widen it.
	svmSquash = 4
)

// squash presses what is far out together, by the logarithm from svmSquash on, in place.
func squash(rows []float64) []float64 {
	for i, x := range rows {
		if a := math.Abs(x); a > svmSquash {
			rows[i] = math.Copysign(svmSquash*(1+math.Log(a/svmSquash)), x)
		}
	}
	return rows
}

func (d *OneClassSVM) learn(train series.Series, _ *time.Location) (measure, error) {
	l, rows := laggedOf(train, d.Reference)
	n := len(rows) / features
	if n < 20 {
		return nil, fmt.Errorf("%w: %d samples, want at least 20", ErrTooShort, n)
	}
	rows = unpacked(packed(squash(rows)))
	m := &bordered{lagged: l, support: supportOf(rows, features, max(d.Outliers, 2/float64(n)), scaleGamma(rows, features), svmTolerance)}
	scores := make([]float64, n)
	for i := range scores {
		scores[i] = m.remote(rows[i*features : (i+1)*features])
	}
	m.standing = standingOf(scores)
	return m, nil
}

func (*OneClassSVM) unmarshal(data []byte) (Model, error) {
	return readModel(data, func(r *wire.Reader) measure {
		m := &bordered{lagged: readLagged(r), standing: readStanding(r)}
		m.support = &support{d: features, gamma: r.Float(), rho: r.Float(), weight: r.Slice(), vectors: unpacked(r.Bytes())}
		if len(m.support.vectors) != features*len(m.support.weight) || len(m.support.weight) == 0 {
			r.Fail()
		}
		return m
	})
}

// bordered is a border around lagged features.
type bordered struct {
	lagged   lagged
	standing standing
	support  *support
}

// remote returns how far out a point lies. The decision of the source ends at −rho, where every distance is the same; its logarithm goes on with the distance from
// the nearest vectors.
func (m *bordered) remote(x []float64) float64 {
	s := m.support
	sum, nearest := 0.0, math.Inf(1)
	for i, w := range s.weight {
		far := s.gamma * apart(x, s.vectors[i*features:(i+1)*features])
		nearest = min(nearest, far)
		if far < 40 {
			sum += w * decay(far)
		}
	}
	if nearest > 30 { // the nearest vector is all that counts, and its share may be too small to add up
		return nearest + math.Log(max(s.rho, 1e-12))
	}
	return math.Log(max(s.rho, 1e-12) / sum)
}

func (m *bordered) measure(window series.Series, dst []float64) {
	rows := squash(m.lagged.of(window.Values))
	for i := range dst {
		dst[i] = m.standing.of(m.remote(rows[i*features : (i+1)*features]))
	}
}

func (m *bordered) write(w wire.Writer) wire.Writer {
	s := m.support
	return m.standing.write(m.lagged.write(w)).Floats(s.gamma, s.rho).Slice(s.weight).Bytes(packed(s.vectors))
}
