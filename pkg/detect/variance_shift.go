package detect

import (
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "variance_shift",
		Summary: "Finds the time at which the scatter changed: a series that begins to flutter, or becomes suspiciously calm, at the same level.",
		Source:  "Inclán and Tiao, Use of Cumulative Sums of Squares for Retrospective Detection of Changes of Variance, JASA 89(427), 1994, doi:10.1080/01621459.1994.10476824, here causal, of differences as in von Neumann, Annals of Mathematical Statistics 12(4), 1941, doi:10.1214/aoms/1177731677",
		New:     func() Detector { return &VarianceShift{After: 60, Before: 240, budget: budget{Budget: 1}} },
	})
}

// VarianceShift compares the mean square of the differences between the last samples with that of those before them. Differences know no level, so that a shift is not
// taken for scatter.
type VarianceShift struct {
	After  int `json:"after" yaml:"after" min:"10" max:"10000" unit:"samples" help:"How many of the last samples tell the new scatter."`
	Before int `json:"before" yaml:"before" min:"10" max:"100000" unit:"samples" help:"How many samples before them tell the old one."`
	budget
}

// Validate accepts all that the tags do.
func (*VarianceShift) Validate() error { return nil }

// Context returns both windows, and a sample for the first difference.
func (d *VarianceShift) Context(int64) int { return d.After + d.Before + 1 }

// Fit learns the usual day and the usual difference, and calibrates the threshold on parts of the window that were held out.
func (d *VarianceShift) Fit(train Train) (Model, error) {
	return fitMeasured(d, d.Context(0), train, d.Budget)
}

// Catches a change of the scatter in both directions.
func (*VarianceShift) Catches() Kinds { return Scatter }

const (
	// calmest is the least mean square, as a share of the usual one: below it a series has stopped rather than become calm.
	calmest = 0.01
	// differencesLeast is how many differences are needed.
	differencesLeast = 20
)

func (d *VarianceShift) learn(train series.Series, zone *time.Location) (measure, error) {
	usual, err := usualOf(train, zone)
	if err != nil {
		return nil, err
	}
	m := &varianceShift{usual: usual, after: d.After, before: d.Before, unit: 1}
	u := robust.Drop(nil, m.differences(train))
	if len(u) < differencesLeast {
		return nil, fmt.Errorf("%w: %d differences of neighbours, want at least %d", ErrTooShort, len(u), differencesLeast)
	}
	if s := scaleOf(u, 0); s > 0 {
		m.unit = s
	}
	return m, nil
}

// varianceShift is a fitted VarianceShift.
type varianceShift struct {
	usual
	after, before int
	unit          float64 // the usual difference, in usual distances
}

// differences returns what neighbours differ by, in usual differences, drawn in; NaN beside gaps.
func (m *varianceShift) differences(window series.Series) []float64 {
	z := m.distances(window, math.Inf(1))
	for i := len(z) - 1; i > 0; i-- {
		z[i] = min(max((z[i]-z[i-1])/m.unit, -drawnIn), drawnIn) // NaN stays
	}
	if len(z) > 0 {
		z[0] = math.NaN()
	}
	return z
}

func (m *varianceShift) measure(window series.Series, dst []float64) {
	u := m.differences(window)
	for i, x := range u {
		u[i] = x * x
	}
	twoWindows(u, m.after, m.before, dst, func(after, before tally) float64 {
		return math.Abs(math.Log(max(after.mean(), calmest)/max(before.mean(), calmest))) / math.Sqrt(2/after.n+2/before.n)
	})
}

func (m *varianceShift) write(w wire.Writer) wire.Writer {
	return m.usual.write(w.Ints(int64(m.after), int64(m.before)).Floats(m.unit))
}

func (*VarianceShift) unmarshal(data []byte) (Model, error) {
	return readModel(data, func(r *wire.Reader) measure {
		m := &varianceShift{after: int(r.Int()), before: int(r.Int()), unit: r.Float()}
		if m.after < 1 || m.before < 1 || m.after > 1<<30 || m.before > 1<<30 || !(m.unit > 0) {
			r.Fail()
			m.after, m.before = 1, 1
		}
		m.usual = readUsual(r)
		return m
	})
}
