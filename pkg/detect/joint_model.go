package detect

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// jointMeasure is what a joint detector learnt besides the frame. Immutable and safe for concurrent use.
type jointMeasure interface {
	// measure writes the raw score of every point, 0 or more, higher is more abnormal, and into parts (n × d, as the points) what each dimension has in it: over the
	// dimensions they sum to the raw score; nil parts are not wanted. Entry i depends on points up to i only.
	measure(p points, raw, parts []float64)
	// write appends the measure to a written model.
	write(w wire.Writer) wire.Writer
}

// jointLearner fits a measure to the points that are there. The error wraps ErrTooShort where too few are. It writes nothing.
type jointLearner interface {
	learn(p points, rng *rand.Rand) (jointMeasure, error)
	// width is how many points up to the judged one a measure looks at.
	width() int
}

// fitJoint learns the frame and a measure, and calibrates the measure on parts of the window that it has not seen.
func fitJoint(l jointLearner, train JointTrain, allowed float64) (JointModel, error) {
	v := train.Vector
	f, err := newFrame(v)
	if err != nil {
		return nil, err
	}
	if f.allConstant {
		return &jointModel{frame: f}, nil
	}
	p := f.points(v)
	own, err := l.learn(p, rngOf(v))
	if err != nil {
		return nil, err
	}
	held, err := holdOutPoints(l, p, v)
	if err != nil {
		return nil, err
	}
	_, drawn := l.(drawer)
	var known []float64
	if held == nil || drawn {
		known = make([]float64, p.n)
		own.measure(p, known, nil)
	}
	if held == nil { // too little to hold anything out: in sample is all there is
		held, drawn = known, false
	}
	usual := make([]float64, 0, p.n)
	for i, out := range p.out {
		if out {
			held[i] = math.NaN()
		} else {
			usual = append(usual, held[i])
		}
	}
	unit := robust.MedianInPlace(usual)
	if !(unit > 0) || math.IsInf(unit, 0) {
		unit = 1
	}
	for i := range held {
		held[i] /= unit
	}
	t := calibrate(held, v.Grid.Step, Train{N: train.N, M: train.M}, allowed)
	if drawn {
		for i, x := range held { // NaN where the point is not there
			known[i] = known[i]/unit + 0*x
		}
		t.atLeast(calibrate(known, v.Grid.Step, Train{N: train.N, M: train.M}, allowed))
	}
	return &jointModel{frame: f, own: own, width: l.width(), unit: unit, threshold: t}, nil
}

// partsOf returns the parts of point i, or where none are wanted room for them.
func (p points) partsOf(parts, room []float64, i int) []float64 {
	if parts == nil {
		return room
	}
	return parts[i*p.d : (i+1)*p.d]
}

// rngOf is the source of what is random in a fit: the same for the same vector and window.
func rngOf(v series.Vector) *rand.Rand {
	return rand.New(rand.NewPCG(v.Labels.Hash(), uint64(v.Grid.Start)))
}

// holdOutPoints scores each of heldBlocks parts of the window by a measure that was learnt from the others; nil when the parts are too short for that. The frame is that
// of all: it holds two numbers a dimension, and one for each pair.
func holdOutPoints(l jointLearner, p points, v series.Vector) ([]float64, error) {
	held := make([]float64, p.n)
	for b := range heldBlocks {
		from, to := b*p.n/heldBlocks, (b+1)*p.n/heldBlocks
		rest := p
		rest.out = append([]bool(nil), p.out...)
		for i := from; i < to; i++ {
			rest.out[i] = true
		}
		m, err := l.learn(rest, rngOf(v))
		if errors.Is(err, ErrTooShort) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		before := max(0, from-l.width()+1)
		part := p.slice(before, to)
		raw := make([]float64, part.n)
		m.measure(part, raw, nil)
		copy(held[from:to], raw[from-before:])
	}
	return held, nil
}

func (p points) slice(i, j int) points {
	return points{n: j - i, d: p.d, at: p.at[i*p.d : j*p.d], out: p.out[i:j]}
}

// there returns how many points are there.
func (p points) there() int {
	n := 0
	for _, out := range p.out {
		if !out {
			n++
		}
	}
	return n
}

// jointModel is a frame, a measure and a threshold. Without a measure no dimension varied in the window.
type jointModel struct {
	*frame
	own jointMeasure
	// width is how many points a score looks at, and unit the usual raw score.
	width int
	unit  float64
	threshold
}

// Score turns raw scores into levels, and tells the kind of what is abnormal.
func (m *jointModel) Score(window series.Vector, warmup int) (JointResult, error) {
	if warmup < 0 || warmup > window.Grid.N {
		return JointResult{}, fmt.Errorf("warm-up of %d points in a window of %d", warmup, window.Grid.N)
	}
	if len(window.Values) != m.d {
		return JointResult{}, fmt.Errorf("a vector of %d dimensions for a model of %d", len(window.Values), m.d)
	}
	n := window.Grid.N - warmup
	r := NewJointResult(n, m.d)
	copy(r.Expected, m.expected)
	copy(r.Lower, m.lower)
	copy(r.Upper, m.upper)
	if m.own == nil {
		m.constant(window, warmup, r)
		return r, nil
	}
	p := m.points(window)
	raw, parts := make([]float64, p.n), make([]float64, p.n*p.d)
	m.own.measure(p, raw, parts)
	for i := range n {
		k := i + warmup
		if p.out[k] {
			r.missing(i)
			continue
		}
		r.Score[i] = m.level(raw[k] / m.unit)
		for d := range m.d {
			if raw[k] > 0 {
				r.Contributions[d][i] = r.Score[i] * (parts[k*m.d+d] / raw[k])
			}
		}
		if r.Score[i] >= 1 {
			r.Break[i] = m.last(window, p, k)
		}
	}
	return r, nil
}

// last tells the kind of point k, or where that is within its range that of the newest point in its window that is not: an incident is judged with its window.
func (m *jointModel) last(window series.Vector, p points, k int) Break {
	for back := range min(m.width, k+1) {
		if b := m.kind(window, k-back, p.row(k-back)); b != Correlation {
			return b
		}
	}
	return Correlation
}

// missing makes point i a gap.
func (r JointResult) missing(i int) {
	r.Score[i], r.State[i] = math.NaN(), Gap
	for d := range r.Contributions {
		r.Contributions[d][i] = math.NaN()
	}
}

// constant judges points of which no dimension varied in the training window: by the relative change of each.
func (m *jointModel) constant(window series.Vector, warmup int, r JointResult) {
	for i := range r.Score {
		k := i + warmup
		if !enough(window, k) {
			r.missing(i)
			continue
		}
		sum, most := 0.0, 0.0
		for d, values := range window.Values {
			x := values[k]
			if !baseline.Usable(x) || math.IsInf(m.scale[d], 0) {
				continue
			}
			if c := min(math.Abs(x-m.center[d])/m.scale[d], saturated); c > rounding {
				r.Contributions[d][i] = c
				sum += c
				most = max(most, c)
			}
		}
		if sum == 0 {
			r.Score[i], r.State[i] = math.NaN(), Constant
			for d := range r.Contributions {
				r.Contributions[d][i] = math.NaN()
			}
			continue
		}
		r.Score[i], r.Break[i] = 1+most, Apart
		for d := range r.Contributions {
			r.Contributions[d][i] *= r.Score[i] / sum
		}
	}
}

// MarshalBinary writes the frame, the threshold and the measure.
func (m *jointModel) MarshalBinary() ([]byte, error) {
	if m.own == nil {
		return m.frame.write(written(shapeJointConstant)), nil
	}
	return m.own.write(m.threshold.write(m.frame.write(written(shapeJoint)).Ints(int64(m.width)).Floats(m.unit))), nil
}

// The shapes of written joint models.
const (
	shapeJoint         = "joint"
	shapeJointConstant = "joint-constant"
)

// readJoint reads a joint model; own reads the bytes of a detector's measure for so many dimensions.
func readJoint(data []byte, own func(r *wire.Reader, d int) jointMeasure) (JointModel, error) {
	r := wire.NewReader(data)
	shape := r.Text()
	if shape != shapeJoint && shape != shapeJointConstant {
		r.Fail()
	}
	m := &jointModel{frame: readFrame(r)}
	if shape == shapeJoint {
		m.width, m.unit, m.threshold = int(r.Int()), r.Float(), readThreshold(r)
		m.own = own(r, m.d)
	}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%d bytes: %w", len(data), err)
	}
	return m, nil
}

// reviewJoint learns from train and measures v, each raw score spread over the points that it looked at; those of single points over so many around them.
func reviewJoint(l jointLearner, train JointTrain, v series.Vector, around int) ([]float64, error) {
	f, err := newFrame(train.Vector)
	if err != nil {
		return nil, err
	}
	if len(v.Values) != f.d {
		return nil, fmt.Errorf("a vector of %d dimensions for a model of %d", len(v.Values), f.d)
	}
	out := make([]float64, v.Grid.N)
	p := f.points(v)
	if !f.allConstant {
		own, err := l.learn(f.points(train.Vector), rngOf(train.Vector))
		if err != nil {
			return nil, err
		}
		own.measure(p, out, nil)
		if w := l.width(); w > 1 {
			out = shifted(out, w)
		}
		out = meanAround(out, around)
	}
	for i, gap := range p.out {
		if gap {
			out[i] = math.NaN()
		}
	}
	return out, nil
}

// shifted gives each point the mean of the scores of the w windows that hold it; raw[i] is that of the window that ends at i.
func shifted(raw []float64, w int) []float64 {
	n := len(raw)
	sums := make([]float64, n+1)
	for i, x := range raw {
		sums[i+1] = sums[i] + x
	}
	out := make([]float64, n)
	for i := range out {
		from, to := max(i, min(w-1, n-1)), min(i+w, n)
		out[i] = (sums[to] - sums[min(from, to-1)]) / float64(to-min(from, to-1))
	}
	return out
}

// meanAround returns the means over w points around each, fewer at the ends.
func meanAround(raw []float64, w int) []float64 {
	if w <= 1 {
		return raw
	}
	n := len(raw)
	sums := make([]float64, n+1)
	for i, x := range raw {
		sums[i+1] = sums[i] + x
	}
	out := make([]float64, n)
	for i := range out {
		from, to := max(0, i-w/2), min(n, i-w/2+w)
		out[i] = (sums[to] - sums[from]) / float64(to-from)
	}
	return out
}
