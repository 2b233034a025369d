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
		Name:    "lof",
		Summary: "Compares how close the nearest known samples are with how close those lie to each other.",
		Source:  "Breunig, Kriegel, Ng and Sander, LOF: Identifying Density-Based Local Outliers, SIGMOD 2000, doi:10.1145/342009.335388",
		New:     func() Detector { return &LOF{Neighbours: 15, Reference: 500, budget: budget{Budget: 1}} },
	})
}

// LOF judges a sample by how thinly it lies among known ones, each described by what it is beside those before it (see lagged).
type LOF struct {
	Neighbours int `json:"neighbours" yaml:"neighbours" min:"2" max:"200" help:"How many of the nearest known samples are compared with."`
	Reference  int `json:"reference" yaml:"reference" min:"50" max:"20000" unit:"samples" help:"How many samples of the training window are kept to compare with."`
	budget
}

// Validate reports more neighbours than there are samples.
func (d *LOF) Validate() error {
	if d.Neighbours >= d.Reference {
		return fmt.Errorf("parameter \"neighbours\": got %d, want fewer than the reference, which is %d", d.Neighbours, d.Reference)
	}
	return nil
}

// Catches what is far from what came before it. A drop is not promised: where a series falls steeply every day, that fall outranks it.
func (*LOF) Catches() Kinds { return Spike | Shift }

// Context is what the features look back.
func (*LOF) Context(int64) int { return lagContext }

// Fit keeps a reference and calibrates the threshold on parts that it is not drawn from.
func (d *LOF) Fit(train Train) (Model, error) { return fitMeasured(d, lagContext, train, d.Budget) }

func (d *LOF) learn(train series.Series, _ *time.Location) (measure, error) {
	l, rows := laggedOf(train, d.Reference)
	if n := len(rows) / features; n < 2*d.Neighbours {
		return nil, fmt.Errorf("%w: %d samples, want at least %d", ErrTooShort, n, 2*d.Neighbours)
	}
	o, near := outliersOf(unpacked(packed(rows)), features, d.Neighbours, nearEnough)
	return &density{lagged: l, standing: standingOf(o.own(near)), outliers: o}, nil
}

// nearEnough is the least distance that counts, as a share of the usual one to the last neighbour: among equal samples the density is endless, and the slightest
// difference an endless outlier.
const nearEnough = 0.1

func (*LOF) unmarshal(data []byte) (Model, error) {
	return readModel(data, func(r *wire.Reader) measure {
		m := &density{lagged: readLagged(r), standing: readStanding(r)}
		k, least, rows := int(r.Int()), r.Float(), unpacked(r.Bytes())
		if n := len(rows) / features; len(rows)%features != 0 || k < 1 || k >= n || !allFinite(rows) {
			r.Fail()
			return nil
		}
		m.outliers = &outliers{k: k, least: least, rows: rows, known: neighboursOf(rows, features)}
		m.outliers.learn(m.outliers.link())
		return m
	})
}

func allFinite(values []float64) bool {
	for _, x := range values {
		if x-x != 0 {
			return false
		}
	}
	return true
}

// outliers tells local outlier factors among known points.
type outliers struct {
	k     int
	least float64 // distances below count as this
	rows  []float64
	known *neighbours
	// reach is each point's distance to its k-th neighbour, density its local reachability density.
	reach, density []float64
}

// links are the k nearest neighbours of every known point, each without itself.
type links struct {
	index   []int32
	squared []float64
}

// outliersOf takes rows of d numbers as known, which it keeps. Distances below share times the median one to the k-th neighbour count as that.
func outliersOf(rows []float64, d, k int, share float64) (*outliers, links) {
	o := &outliers{k: k, rows: rows, known: neighboursOf(rows, d)}
	l := o.link()
	if share > 0 {
		o.least = max(share*robust.Median(o.reach, nil), 1e-3*share)
	}
	o.learn(l)
	return o, l
}

// link finds the neighbours and the reach of every known point.
func (o *outliers) link() links {
	d, n := o.known.d, len(o.known.index)
	o.reach = make([]float64, n)
	l := links{index: make([]int32, 0, n*o.k), squared: make([]float64, 0, n*o.k)}
	f := newFound(o.k)
	for i := range n {
		o.known.nearest(o.rows[i*d:(i+1)*d], int32(i), f)
		l.index, l.squared = append(l.index, f.index...), append(l.squared, f.squared...)
		o.reach[i] = math.Sqrt(f.squared[o.k-1])
	}
	return l
}

// learn finds the density of every known point.
func (o *outliers) learn(l links) {
	o.density = make([]float64, len(o.reach))
	for i := range o.density {
		o.density[i] = o.densityOf(l.squared[i*o.k:(i+1)*o.k], l.index[i*o.k:(i+1)*o.k])
	}
}

// densityOf returns one over the mean reachability distance.
func (o *outliers) densityOf(squared []float64, index []int32) float64 {
	sum := 0.0
	for k, s := range squared {
		sum += max(math.Sqrt(s), o.reach[index[k]], o.least)
	}
	return 1 / (sum/float64(o.k) + 1e-10)
}

// factor returns the local outlier factor of a new point: 1 is as dense as its neighbours, 2 half as dense.
func (o *outliers) factor(x []float64, f *found) float64 {
	o.known.nearest(x, -1, f)
	around := 0.0
	for _, i := range f.index {
		around += o.density[i]
	}
	return around / float64(o.k) / o.densityOf(f.squared, f.index)
}

// own returns the factors of the known points, each without itself.
func (o *outliers) own(l links) []float64 {
	out := make([]float64, len(o.density))
	for i := range out {
		around := 0.0
		for _, j := range l.index[i*o.k : (i+1)*o.k] {
			around += o.density[j]
		}
		out[i] = around / float64(o.k) / o.density[i]
	}
	return out
}

// density is the outlier factor over lagged features.
type density struct {
	lagged   lagged
	standing standing
	outliers *outliers
}

func (m *density) measure(window series.Series, dst []float64) {
	rows := m.lagged.of(window.Values)
	f := newFound(m.outliers.k)
	for i := range dst {
		dst[i] = m.standing.of(m.outliers.factor(rows[i*features:(i+1)*features], f))
	}
}

func (m *density) write(w wire.Writer) wire.Writer {
	o := m.outliers
	return m.standing.write(m.lagged.write(w)).Ints(int64(o.k)).Floats(o.least).Bytes(packed(o.rows))
}
