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
		Name:    "pca",
		Summary: "Compares the shape of the latest window of samples with how windows of this series usually vary.",
		Source:  "Shyu et al., A Novel Anomaly Detection Scheme Based on Principal Component Classifier, ICDM Workshop 2003; over windows as in Aggarwal, Outlier Analysis, Springer 2017, section 9.3, doi:10.1007/978-3-319-47578-3",
		New:     func() Detector { return &PCA{Window: 60, Distance: "weighted", budget: budget{Budget: 1}} },
	})
}

// PCA judges windows by their distance from the usual ones along the principal axes of windows.
type PCA struct {
	Window   int    `json:"window" yaml:"window" min:"4" max:"300" unit:"samples" help:"How many samples are compared as one shape. A review takes the period of the series instead."`
	Distance string `json:"distance" yaml:"distance" enum:"weighted,residual" help:"Along all axes in their own deviations, or what the main axes leave unexplained."`
	budget
}

const (
	// reviewFloor is the least eigenvalue that counts, as a share of the largest, where all samples are at hand; fitFloor where what comes is not among them, and may
	// differ a little in a direction that never varied.
	reviewFloor, fitFloor = 1e-9, 1e-4
	// mainShare is the share of the variance that the main axes may hold in a residual.
	mainShare = 0.9
	// standingSamples is how many windows are scored to learn what a usual score is.
	standingSamples = 1000
)

// Validate accepts all that the tags do.
func (*PCA) Validate() error { return nil }

// Catches what breaks the shape within a window.
func (*PCA) Catches() Kinds { return Spike | Drop | Shift }

// Context is the window less the judged sample.
func (d *PCA) Context(int64) int { return d.Window - 1 }

// Fit learns the axes and calibrates the threshold on parts that they have not seen.
func (d *PCA) Fit(train Train) (Model, error) { return fitMeasured(d, d.Window-1, train, d.Budget) }

func (d *PCA) learn(train series.Series, _ *time.Location) (measure, error) {
	of := runs(train.Values, d.Window)
	if n := windowsIn(of, d.Window); n < 2*d.Window {
		return nil, fmt.Errorf("%w: %d windows of %d samples, want at least %d", ErrTooShort, n, d.Window, 2*d.Window)
	}
	m := &pcaMeasure{scaling: scalingOf(train.Values)}
	values := m.scaling.of(train.Values)
	g := newGram(d.Window)
	for _, r := range of {
		g.add(values[r[0]:r[1]])
	}
	var err error
	if m.axes, err = d.axes(g, fitFloor); err != nil {
		return nil, err
	}
	usual := drawWindows(of, d.Window, standingSamples, seeded(train))
	scores := make([]float64, len(usual))
	for k, i := range usual {
		scores[k] = math.Sqrt(m.axes.distance(values[i : i+d.Window]))
	}
	m.standing = standingOf(scores)
	return m, nil
}

func (d *PCA) axes(g *gram, floor float64) (*axes, error) {
	if d.Distance == "residual" {
		return leftOver(g, mainShare)
	}
	return whitened(g, floor)
}

// Review measures windows as long as the period of the series and spreads their distances over the samples that they cover.
func (d *PCA) Review(s series.Series, _ *time.Location) ([]float64, error) {
	values, w, err := reviewable(s)
	if err != nil {
		return nil, err
	}
	g := newGram(w)
	g.add(values)
	a, err := d.axes(g, reviewFloor)
	if err != nil {
		return nil, err
	}
	return onlySamples(spreadOver(a.distances(values), len(values), w), s), nil
}

func (*PCA) unmarshal(data []byte) (Model, error) {
	return readModel(data, func(r *wire.Reader) measure {
		return &pcaMeasure{scaling: readScaling(r), standing: readStanding(r), axes: readAxes(r)}
	})
}

// pcaMeasure judges a sample by the window that ends with it.
type pcaMeasure struct {
	scaling  scaling
	standing standing
	axes     *axes
}

func (m *pcaMeasure) measure(window series.Series, dst []float64) {
	scores := m.axes.distances(m.scaling.of(window.Values))
	for i, x := range scores {
		scores[i] = m.standing.of(math.Sqrt(x))
	}
	atEnds(scores, dst, m.axes.w)
}

func (m *pcaMeasure) write(w wire.Writer) wire.Writer {
	return m.axes.write(m.standing.write(m.scaling.write(w)))
}
