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
		Name:    "auto",
		Summary: "Several distances at once: from the usual point, and from usual courses as they are, with the dimensions made independent, and with large values held down.",
		Source:  "Mean of normalised scores: Aggarwal and Sathe, Theoretical foundations and algorithms for outlier ensembles, SIGKDD Explorations 17(1), 2015, doi:10.1145/2830544.2830549; its parts as in mahalanobis and kmeans",
		New:     func() Joint { return &JointAuto{Clusters: 20, budget: budget{Budget: 1}} },
	})
}

// JointAuto judges points by the mean of several distances, each in units of what is usual for it.
type JointAuto struct {
	Clusters int `json:"clusters" yaml:"clusters" min:"2" max:"200" help:"How many usual courses there are at most, for each of the distances from courses."`
	budget
}

// Validate accepts all that the tags do.
func (*JointAuto) Validate() error { return nil }

// Catches all kinds.
func (*JointAuto) Catches() []Break { return []Break{Correlation, Together, Apart} }

// Fit learns all distances.
func (d *JointAuto) Fit(train JointTrain) (JointModel, error) { return fitJoint(d, train, d.Budget) }

// liveWindow is how many points a live verdict looks at: what is abnormal stays in a window for its length, so that a longer one would tell the end of an incident late.
const liveWindow = 10

// Context returns how many points before the first judged one are looked at.
func (*JointAuto) Context(int64) int { return liveWindow - 1 }

func (*JointAuto) width() int { return liveWindow }

func (*JointAuto) unmarshal(data []byte) (JointModel, error) { return readJoint(data, readEnsemble) }

// member is one distance of an ensemble.
type member struct {
	learner jointLearner
	// lens changes the points before they are measured; see lens.
	lens   int
	weight float64
}

// The lenses.
const (
	lensNone   = iota
	lensWhite  // dimensions made independent of each other
	lensLog    // large values held down
	lensNumber // how many there are
)

// members are the distances of a live verdict.
func (d *JointAuto) members() []member {
	courses := func(w int) jointLearner { return &JointKMeans{Window: w, Clusters: d.Clusters} }
	return []member{
		{&Mahalanobis{Ridge: frameRidge}, lensNone, 1},
		{courses(liveWindow), lensNone, 1},
		{courses(liveWindow), lensWhite, 1},
		{courses(liveWindow), lensLog, 1},
	}
}

// reviewed are those of a review, which may look at longer courses. Measured on the open parts of SMD and ASD; see the page.
func (d *JointAuto) reviewed() []member {
	courses := func(w int) jointLearner { return &JointKMeans{Window: w, Clusters: d.Clusters} }
	return []member{
		{&Mahalanobis{Ridge: frameRidge}, lensNone, 1},
		{courses(10), lensNone, 1},
		{courses(60), lensNone, 2},
		{courses(20), lensWhite, 1},
		{courses(20), lensLog, 1},
	}
}

func (d *JointAuto) learn(p points, rng *rand.Rand) (jointMeasure, error) {
	e := &ensemble{}
	for _, m := range d.members() {
		one, err := learnMember(m, p, rng)
		if err != nil {
			return nil, err
		}
		raw := make([]float64, p.n)
		one.measure(p, raw, nil)
		one.normalise(raw, p.out)
		e.of = append(e.of, one)
	}
	return e, nil
}

func learnMember(m member, p points, rng *rand.Rand) (*normal, error) {
	one := &normal{lens: m.lens, weight: m.weight}
	if m.lens == lensWhite {
		one.white, one.back = whitening(p)
	}
	var err error
	if one.own, err = m.learner.learn(one.through(p), rng); err != nil {
		return nil, err
	}
	return one, nil
}

// Review combines the scores of longer windows, each spread over its points.
func (d *JointAuto) Review(train JointTrain, v series.Vector) ([]float64, error) {
	f, err := newFrame(train.Vector)
	if err != nil {
		return nil, err
	}
	if len(v.Values) != f.d {
		return nil, fmt.Errorf("a vector of %d dimensions for a model of %d", len(v.Values), f.d)
	}
	out := make([]float64, v.Grid.N)
	learnt, p := f.points(train.Vector), f.points(v)
	for _, m := range d.reviewed() {
		if f.allConstant {
			break
		}
		one, err := learnMember(m, learnt, rngOf(train.Vector))
		if err != nil {
			return nil, err
		}
		raw := make([]float64, learnt.n)
		one.measure(learnt, raw, nil)
		one.normalise(shifted(raw, m.learner.width()), learnt.out)
		raw = make([]float64, p.n)
		one.measure(p, raw, nil)
		for i, x := range shifted(raw, m.learner.width()) {
			out[i] += one.level(x)
		}
	}
	for i, gap := range p.out {
		if gap {
			out[i] = math.NaN()
		}
	}
	return out, nil
}

// ensemble is the sum of several distances.
type ensemble struct{ of []*normal }

// normal is one distance, and what is usual for it.
type normal struct {
	own          jointMeasure
	lens         int
	weight       float64
	middle, high float64   // median and 99 % quantile of the training window
	white, back  []float64 // of lensWhite: d × d, points × white are independent, and back is its inverse
}

// normalise learns what is usual for the distance from that of the training points.
func (m *normal) normalise(raw []float64, out []bool) {
	x := make([]float64, 0, len(raw))
	for i, y := range raw {
		if !out[i] {
			x = append(x, y)
		}
	}
	slices.Sort(x)
	m.middle, m.high = robust.Quantile(x, 0.5), robust.Quantile(x, 0.99)
	if !(m.high > m.middle) {
		m.high = m.middle + max(m.middle, frameRidge)
	}
}

// level puts a distance on the scale that all members share: logarithmic, so that one of them cannot outvote the others.
func (m *normal) level(raw float64) float64 {
	return m.weight * math.Log1p(max(0, raw-m.middle)/(m.high-m.middle))
}

// through returns the points as the member sees them.
func (m *normal) through(p points) points {
	if m.lens == lensNone {
		return p
	}
	out := p
	out.at = make([]float64, len(p.at))
	for i := range p.n {
		x, y := p.row(i), out.row(i)
		for k := range y {
			if m.lens == lensLog {
				y[k] = math.Copysign(math.Log1p(math.Abs(x[k])), x[k])
				continue
			}
			for j, v := range x {
				y[k] += v * m.white[j*p.d+k]
			}
		}
	}
	return out
}

func (m *normal) measure(p points, raw, parts []float64) {
	seen := m.through(p)
	if c, ok := m.own.(*centres); ok && m.lens == lensWhite && parts != nil {
		c.measureWhite(seen, raw, parts, m)
		return
	}
	m.own.measure(seen, raw, parts)
}

func (e *ensemble) measure(p points, raw, parts []float64) {
	own, ownParts := make([]float64, p.n), []float64(nil)
	if parts != nil {
		ownParts = make([]float64, len(parts))
		clear(parts)
	}
	clear(raw)
	for _, m := range e.of {
		m.measure(p, own, ownParts)
		for i, x := range own {
			level := m.level(x)
			raw[i] += level
			if parts == nil || level == 0 {
				continue
			}
			for k := i * p.d; k < (i+1)*p.d; k++ {
				parts[k] += ownParts[k] * (level / x)
			}
		}
	}
}

func (e *ensemble) write(w wire.Writer) wire.Writer {
	w = w.Ints(int64(len(e.of)))
	for _, m := range e.of {
		kind := int64(0)
		if _, ok := m.own.(*centres); ok {
			kind = 1
		}
		w = m.own.write(w.Ints(kind, int64(m.lens)).Floats(m.weight, m.middle, m.high).Slice(m.white).Slice(m.back))
	}
	return w
}

func readEnsemble(r *wire.Reader, d int) jointMeasure {
	e := &ensemble{}
	n := r.Int()
	if n < 1 || n > 64 {
		r.Fail()
		return e
	}
	for range n {
		kind := r.Int()
		m := &normal{lens: int(r.Int()), weight: r.Float(), middle: r.Float(), high: r.Float(), white: r.Slice(), back: r.Slice()}
		if m.lens < 0 || m.lens >= lensNumber || m.lens == lensWhite && (len(m.white) != d*d || len(m.back) != d*d) {
			r.Fail()
		}
		if kind == 1 {
			m.own = readCentres(r, d)
		} else {
			m.own = readEllipsoid(r, d)
		}
		e.of = append(e.of, m)
	}
	return e
}
