package detect

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/floats"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Detectors.Add(registry.Entry[Detector]{
		Name:    "kmeans",
		Summary: "Compares the latest window of samples with the few shapes that windows of this series usually have.",
		Source:  "Yairi, Kato and Hori, Fault Detection by Mining Association Rules from House-keeping Data, i-SAIRAS 2001 (k-means over sliding windows); Lloyd, IEEE Trans. Inf. Theory 28(2), 1982, doi:10.1109/TIT.1982.1056489; Arthur and Vassilvitskii, SODA 2007",
		New:     func() Detector { return &KMeans{Window: 30, Clusters: 20, Scale: "series", budget: budget{Budget: 1}} },
	})
}

// KMeans judges windows by their distance from the nearest of the usual shapes. The mean of a window is taken off: where it lies does not matter, its shape does.
type KMeans struct {
	Window   int    `json:"window" yaml:"window" min:"4" max:"300" unit:"samples" help:"How many samples are compared as one shape. A review takes the period of the series instead."`
	Clusters int    `json:"clusters" yaml:"clusters" min:"1" max:"100" help:"How many usual shapes are learnt."`
	Scale    string `json:"scale" yaml:"scale" enum:"series,window" help:"Sizes count in usual deviations of the series, or each window is brought to the same size first."`
	budget
}

const (
	// learntWindows and reviewedWindows bound what the middles are learnt from: the rest says nothing new.
	learntWindows, reviewedWindows = 1000, 4000
	// lloydRounds bounds a fit; what moves after that moves little.
	lloydRounds = 30
)

// Validate accepts all that the tags do.
func (*KMeans) Validate() error { return nil }

// Catches what has an unusual shape within a window.
func (*KMeans) Catches() Kinds { return Spike | Drop | Shift }

// Context is the window less the judged sample.
func (d *KMeans) Context(int64) int { return d.Window - 1 }

// Fit learns the shapes and calibrates the threshold on parts that they have not seen.
func (d *KMeans) Fit(train Train) (Model, error) {
	return fitMeasured(d, d.Window-1, train, d.Budget)
}

func (d *KMeans) learn(train series.Series, _ *time.Location) (measure, error) {
	of := runs(train.Values, d.Window)
	if n := windowsIn(of, d.Window); n < 2*d.Clusters {
		return nil, fmt.Errorf("%w: %d windows of %d samples, want at least %d", ErrTooShort, n, d.Window, 2*d.Clusters)
	}
	rng := seeded(train)
	m := &shapes{scaling: scalingOf(train.Values), each: d.Scale == "window"}
	values := m.scaling.of(train.Values)
	drawn := drawWindows(of, d.Window, learntWindows, rng)
	points := m.points(values, drawn, d.Window)
	m.known = cluster(points, d.Window, d.Clusters, lloydRounds, rng)
	scores := make([]float64, len(drawn))
	for k := range scores {
		x := points[k*d.Window : (k+1)*d.Window]
		_, nearest, _ := m.known.nearest(x, 1, floats.Dot(x, x))
		scores[k] = math.Sqrt(nearest)
	}
	m.standing = standingOf(scores)
	return m, nil
}

// Review measures windows as long as the period of the series and spreads their distances over the samples that they cover.
func (d *KMeans) Review(s series.Series, _ *time.Location) ([]float64, error) {
	values, w, err := reviewable(s)
	if err != nil {
		return nil, err
	}
	rng := seeded(s)
	m := &shapes{each: d.Scale == "window"}
	points := m.points(values, drawWindows([][2]int{{0, len(values)}}, w, reviewedWindows, rng), w)
	m.known = cluster(points, w, d.Clusters, lloydRounds, rng)
	return onlySamples(spreadOver(m.distances(values), len(values), w), s), nil
}

func (*KMeans) unmarshal(data []byte) (Model, error) {
	return readModel(data, func(r *wire.Reader) measure {
		return &shapes{scaling: readScaling(r), standing: readStanding(r), each: r.Int() == 1, known: readCentroids(r)}
	})
}

// shapes judges a sample by the distance of the window that ends with it from the nearest known shape.
type shapes struct {
	scaling  scaling
	standing standing
	// each is set where every window is brought to deviation 1.
	each  bool
	known *centroids
}

// points returns the windows that begin at the given samples, without their means, one after another.
func (m *shapes) points(values []float64, at []int, w int) []float64 {
	points := make([]float64, 0, len(at)*w)
	for _, i := range at {
		x := values[i : i+w]
		mean, squares := 0.0, 0.0
		for _, v := range x {
			mean += v / float64(w)
		}
		for _, v := range x {
			points = append(points, v-mean)
			squares += (v - mean) * (v - mean)
		}
		if m.each {
			times := m.times(math.Sqrt(squares / float64(w)))
			for k := len(points) - w; k < len(points); k++ {
				points[k] *= times
			}
		}
	}
	return points
}

// times is what a window of that deviation is multiplied by. One that does not vary has no shape.
func (m *shapes) times(dev float64) float64 {
	switch {
	case !m.each:
		return 1
	case dev < 1e-9:
		return 0
	}
	return 1 / dev
}

// distances returns the distance of every window of the values. The mean need not be taken off them: that of each shape is 0.
func (m *shapes) distances(values []float64) []float64 {
	w := m.known.d
	mean, dev := moments(values, w)
	for i, s := range dev {
		x, times := values[i:i+w], m.times(s)
		norm := float64(w) * s * s * times * times
		if math.Abs(mean[i]) > 1e3*s { // a shape on a high level would be lost to rounding
			x, times = m.points(values, []int{i}, w), 1
			norm = floats.Dot(x, x)
		}
		_, nearest, _ := m.known.nearest(x, times, norm)
		dev[i] = math.Sqrt(nearest)
	}
	return dev
}

func (m *shapes) measure(window series.Series, dst []float64) {
	scores := m.distances(m.scaling.of(window.Values))
	m.standing.all(scores)
	atEnds(scores, dst, m.known.d)
}

func (m *shapes) write(w wire.Writer) wire.Writer {
	w = m.standing.write(m.scaling.write(w))
	if m.each {
		return m.known.write(w.Ints(1))
	}
	return m.known.write(w.Ints(0))
}
