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
		Name:    "iforest",
		Summary: "Tells how easily the latest samples can be told apart from all others by random cuts.",
		Source:  "Liu, Ting and Zhou, Isolation-Based Anomaly Detection, TKDD 6(1), 2012, doi:10.1145/2133360.2133363",
		New:     func() Detector { return &IsolationForest{Trees: 64, Sample: 256, budget: budget{Budget: 1}} },
	})
}

// IsolationForest judges a sample by what it is beside those before it (see lagged), never by its raw value.
type IsolationForest struct {
	Trees  int `json:"trees" yaml:"trees" min:"10" max:"1000" help:"More trees give a steadier score and cost as much more time."`
	Sample int `json:"sample" yaml:"sample" min:"16" max:"4096" unit:"samples" help:"How many samples each tree is grown from."`
	budget
}

// Validate accepts all that the tags do.
func (*IsolationForest) Validate() error { return nil }

// Catches what is far from what came before it.
func (*IsolationForest) Catches() Kinds { return Spike | Drop | Shift }

// Context is what the features look back.
func (*IsolationForest) Context(int64) int { return lagContext }

// Fit grows the trees and calibrates the threshold on parts that they have not seen.
func (d *IsolationForest) Fit(train Train) (Model, error) {
	return fitMeasured(d, lagContext, train, d.Budget)
}

// forestRows is how many samples the trees draw from.
const forestRows = 4096

func (d *IsolationForest) learn(train series.Series, _ *time.Location) (measure, error) {
	m := &isolation{}
	var drawn []float64
	m.lagged, drawn = laggedOf(train, forestRows)
	rows := single(drawn)
	if n := len(rows) / features; n < 16 {
		return nil, fmt.Errorf("%w: %d samples, want at least 16", ErrTooShort, n)
	}
	m.forest = grow(rows, features, d.Trees, d.Sample, seeded(train))
	scores := make([]float64, min(standingSamples/2, len(rows)/features))
	few := make([]float32, 0, len(scores)*features)
	for k := range scores {
		i := k * (len(rows) / features) / len(scores)
		few = append(few, rows[i*features:(i+1)*features]...)
	}
	m.rarity(few, scores)
	m.standing = standingOf(scores)
	return m, nil
}

func (*IsolationForest) unmarshal(data []byte) (Model, error) {
	return readModel(data, func(r *wire.Reader) measure {
		m := &isolation{lagged: readLagged(r), standing: readStanding(r), forest: readForest(r)}
		if m.forest.d != features {
			r.Fail()
		}
		return m
	})
}

// isolation is a forest over lagged features.
type isolation struct {
	lagged   lagged
	standing standing
	forest   *forest
}

func (m *isolation) measure(window series.Series, dst []float64) {
	m.rarity(single(m.lagged.of(window.Values)), dst)
	m.standing.all(dst)
}

// rarity writes how many times shorter than expected the paths of the rows are. It ranks like the score of the source, 2^−path, which lies so close together above
// ordinary samples that no tail can be fitted to it.
func (m *isolation) rarity(rows []float32, dst []float64) {
	m.forest.paths(rows, dst)
	for i, x := range dst {
		dst[i] = 1 / max(x, 1e-3)
	}
}

func (m *isolation) write(w wire.Writer) wire.Writer {
	return m.forest.write(m.standing.write(m.lagged.write(w)))
}

// Review isolates whole windows, as long as the period of the series and each brought to mean 0 and deviation 1, and spreads their scores over the samples that they
// cover.
func (d *IsolationForest) Review(s series.Series, _ *time.Location) ([]float64, error) {
	values, w, err := reviewable(s)
	if err != nil {
		return nil, err
	}
	rng := seeded(s)
	m := &shapes{each: true}
	f := grow(single(m.points(values, drawWindows([][2]int{{0, len(values)}}, w, reviewedWindows, rng), w)), w, reviewTrees, d.Sample, rng)
	scores := make([]float64, len(values)-w+1)
	at := make([]int, 0, blockRows)
	for from := 0; from < len(scores); from += blockRows {
		to := min(from+blockRows, len(scores))
		at = at[:0]
		for i := from; i < to; i++ {
			at = append(at, i)
		}
		f.paths(single(m.points(values, at, w)), scores[from:to])
	}
	for i, x := range scores {
		scores[i] = math.Exp2(-x)
	}
	return onlySamples(spreadOver(scores, len(values), w), s), nil
}

// reviewTrees is how many trees a review grows: the number of the source.
const reviewTrees = 100
