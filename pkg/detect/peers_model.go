package detect

import (
	"fmt"
	"math"
	"slices"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// peering are the options that all peer detectors have.
type peering struct {
	Sensitivity float64 `json:"sensitivity" yaml:"sensitivity" min:"0.1" max:"10" help:"1 is what the noise budget gives; at 2 half the distance from the siblings is enough, at 0.5 it takes twice as much."`
	Persistence int     `json:"persistence" yaml:"persistence" min:"1" max:"1440" unit:"samples" help:"The members are compared by their means over so many samples: what passes sooner counts less."`
	Offsets     bool    `json:"offsets" yaml:"offsets" help:"Take off what a member always differed by in the training window, as a larger machine does."`
	budget
}

func defaultPeering() peering {
	return peering{Sensitivity: 1, Persistence: 5, Offsets: true, budget: budget{Budget: 1}}
}

// Context returns how many samples before the first judged one the means need.
func (p *peering) Context(int64) int { return p.Persistence - 1 }

// Validate accepts all that the tags do.
func (*peering) Validate() error { return nil }

// mostApart limits distances, in usual ones: the difference of two values may not fit into a number.
const mostApart = 1e9

// siblings tells how far the members of a fleet are from each other at one time, in units of the usual distance.
type siblings interface {
	// typical returns how far members are from each other, 0 or more, in the unit of the values.
	typical(values []float64) float64
	// compare writes, for the values of the members that are there, where the siblings of each are and how far it is from them, 0 or more, in units of usual; in that of the values where usual is 0.
	compare(values []float64, usual float64, expected, distance []float64)
}

// fitPeers learns how far members usually are from each other, and calibrates on the fleet's history: every member's distances count for its budget.
func fitPeers(how siblings, o peering, shape string, train PeersTrain) (PeersModel, error) {
	m := &peersModel{how: how, persistence: o.Persistence, shape: shape}
	smooth := m.means(train.Set)
	if o.Offsets {
		m.offsets(train.Set, smooth)
	}
	n, err := m.usualDistance(smooth)
	if err != nil {
		return nil, err
	}
	if n == 0 || m.usual == 0 {
		m.usual = 0 // all members are the same: whatever differs is judged by its size
		return m, nil
	}
	held := m.distances(train.Set, smooth, nil)
	m.threshold = m.calibrated(held, train, o)
	return m, nil
}

// peersModel is the usual distance of members, what each of them always differs by, and a threshold.
type peersModel struct {
	how         siblings
	shape       string
	persistence int
	usual       float64
	// members are the hashes of the labels of those with an offset, ascending, and offset what each differs by.
	members []uint64
	offset  []float64
	threshold
}

// means returns the mean of each member over the last samples, NaN where fewer than half of them are there.
func (m *peersModel) means(set series.Set) [][]float64 {
	out := make([][]float64, len(set.Members))
	w := m.persistence
	for k, s := range set.Members {
		mean := make([]float64, len(s.Values))
		sum, n := 0.0, 0
		for i, x := range s.Values {
			if baseline.Usable(x) {
				sum += x / float64(w)
				n++
			}
			if i >= w {
				if old := s.Values[i-w]; baseline.Usable(old) {
					sum -= old / float64(w)
					n--
				}
			}
			if i%1024 == 0 || math.IsInf(sum, 0) { // sums of differences drift: afresh now and then
				sum = 0
				for _, y := range s.Values[max(0, i-w+1) : i+1] {
					if baseline.Usable(y) {
						sum += y / float64(w)
					}
				}
			}
			mean[i] = math.NaN()
			if baseline.Usable(x) && 2*n >= min(w, i+1) {
				mean[i] = sum / float64(n) * float64(w)
			}
		}
		out[k] = mean
	}
	return out
}

// offsets learns what each member with enough samples differs by from the median of all.
func (m *peersModel) offsets(set series.Set, smooth [][]float64) {
	apart := make([][]float64, len(smooth))
	values, scratch := make([]float64, 0, len(smooth)), make([]float64, 0, len(smooth))
	for i := range set.Grid.N {
		values = values[:0]
		for _, s := range smooth {
			if s[i] == s[i] {
				values = append(values, s[i])
			}
		}
		if len(values) < leastPeers {
			continue
		}
		center := robust.Median(values, scratch)
		for k, s := range smooth {
			if s[i] == s[i] {
				apart[k] = append(apart[k], s[i]-center)
			}
		}
	}
	type entry struct {
		hash uint64
		by   float64
	}
	var all []entry
	for k, a := range apart {
		if len(a) >= leastPoints {
			all = append(all, entry{set.Members[k].Labels.Hash(), robust.MedianInPlace(a)})
		}
	}
	slices.SortFunc(all, func(a, b entry) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return 0
	})
	for _, e := range all {
		m.members, m.offset = append(m.members, e.hash), append(m.offset, e.by)
	}
	m.take(set, smooth)
}

// own returns what a member always differs by.
func (m *peersModel) own(labels series.Labels) float64 {
	if i, ok := slices.BinarySearch(m.members, labels.Hash()); ok {
		return m.offset[i]
	}
	return 0
}

// take takes the offsets off.
func (m *peersModel) take(set series.Set, smooth [][]float64) {
	for k, s := range smooth {
		own := m.own(set.Members[k].Labels)
		for n := range s {
			s[n] -= own
		}
	}
}

// usualDistance learns the median over time of how far members are from each other, and returns at how many times there were enough of them.
func (m *peersModel) usualDistance(smooth [][]float64) (int, error) {
	var each []float64
	values := make([]float64, 0, len(smooth))
	for i := range length(smooth) {
		values = values[:0]
		for _, s := range smooth {
			if s[i] == s[i] {
				values = append(values, s[i])
			}
		}
		if len(values) >= leastPeers {
			each = append(each, m.how.typical(values))
		}
	}
	if len(each) < leastPoints {
		return 0, fmt.Errorf("%w: %d times at which %d members have a sample, want at least %d", ErrTooShort, len(each), leastPeers, leastPoints)
	}
	m.usual = robust.GaussianMean * robust.Median(each, nil)
	if m.usual == 0 {
		m.usual = robust.GaussianMean * robust.Mean(each)
	}
	if math.IsInf(m.usual, 0) {
		m.usual = math.MaxFloat64 / 4
	}
	return len(each), nil
}

func length(smooth [][]float64) int {
	if len(smooth) == 0 {
		return 0
	}
	return len(smooth[0])
}

// distances returns how far each member of the set is from its siblings over time, NaN where it has no mean or too few others have; expected takes where these are, unless it
// is nil. What a mean has left of the past does not count: the sample itself must be as far, on the same side.
func (m *peersModel) distances(set series.Set, smooth, expected [][]float64) [][]float64 {
	out := make([][]float64, len(smooth))
	n := length(smooth)
	own := make([]float64, len(smooth))
	for k := range out {
		out[k], own[k] = make([]float64, n), m.own(set.Members[k].Labels)
	}
	values, who := make([]float64, 0, len(smooth)), make([]int, 0, len(smooth))
	at, far := make([]float64, len(smooth)), make([]float64, len(smooth))
	for i := range n {
		values, who = values[:0], who[:0]
		for k, s := range smooth {
			out[k][i] = math.NaN()
			if expected != nil {
				expected[k][i] = math.NaN()
			}
			if s[i] == s[i] {
				values, who = append(values, s[i]), append(who, k)
			}
		}
		if len(values) < leastPeers {
			continue
		}
		m.how.compare(values, m.usual, at[:len(values)], far[:len(values)])
		for j, k := range who {
			out[k][i] = far[j]
			if m.usual > 0 {
				out[k][i] = min(far[j], mostApart)
			}
			if mean := values[j] - at[j]; mean != 0 {
				out[k][i] *= min(max((set.Members[k].Values[i]-own[k]-at[j])/mean, 0), 1)
			}
			if expected != nil {
				expected[k][i] = at[j]
			}
		}
	}
	return out
}

// calibrated finds the threshold that lets the budget of each member through: the distances of all, one after the other, are as one long history.
func (m *peersModel) calibrated(held [][]float64, train PeersTrain, o peering) threshold {
	var all []float64
	apart := make([]float64, int(clusterGapMillis/train.Set.Grid.Step)+train.M+1) // no episode reaches from one member into the next
	for _, h := range held {
		all = append(append(all, h...), apart...)
	}
	t := calibrate(all, train.Set.Grid.Step, Train{N: train.N, M: train.M}, o.Budget)
	t.theta = t.middle + (t.theta-t.middle)/o.Sensitivity
	return t
}

// Compare judges every member.
func (m *peersModel) Compare(window series.Set, warmup int) ([]Result, error) {
	if warmup < 0 || warmup > window.Grid.N {
		return nil, fmt.Errorf("warm-up of %d samples in a window of %d", warmup, window.Grid.N)
	}
	smooth := m.means(window)
	m.take(window, smooth)
	expected := make([][]float64, len(smooth))
	for k := range expected {
		expected[k] = make([]float64, window.Grid.N)
	}
	far := m.distances(window, smooth, expected)
	out := make([]Result, len(window.Members))
	for k, s := range window.Members {
		own := m.own(s.Labels)
		r := NewResult(window.Grid.N - warmup)
		for i := range r.Score {
			n := i + warmup
			r.Expected[i], r.Lower[i], r.Upper[i] = expected[k][n]+own, math.NaN(), math.NaN()
			switch {
			case !baseline.Usable(s.Values[n]):
				r.Score[i], r.State[i] = math.NaN(), Gap
			case far[k][n] != far[k][n]:
				r.Score[i], r.State[i] = math.NaN(), Alone
			case m.usual == 0:
				r.Score[i] = 0
				if d := far[k][n]; d > rounding*math.Abs(expected[k][n]) {
					r.Score[i] = 1 + min(d/math.Max(math.Abs(expected[k][n]), 1), saturated)
				}
			default:
				r.Score[i] = m.level(far[k][n])
			}
		}
		out[k] = r
	}
	return out, nil
}

// MarshalBinary writes the model.
func (m *peersModel) MarshalBinary() ([]byte, error) {
	w := written(m.shape).Ints(int64(m.persistence)).Floats(m.usual)
	w = m.threshold.write(w).Slice(m.offset)
	for _, h := range m.members {
		w = w.Ints(int64(h))
	}
	return w, nil
}

// readPeers reads a model of that shape.
func readPeers(data []byte, shape string, how siblings) (PeersModel, error) {
	r := wire.NewReader(data)
	if r.Text() != shape {
		r.Fail()
	}
	m := &peersModel{how: how, shape: shape, persistence: int(r.Int()), usual: r.Float(), threshold: readThreshold(r), offset: r.Slice()}
	for range m.offset {
		m.members = append(m.members, uint64(r.Int()))
	}
	if m.persistence < 1 || !slices.IsSorted(m.members) {
		r.Fail()
	}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("%d bytes: %w", len(data), err)
	}
	return m, nil
}

// readShape returns the shape that a model was written with, "" when that cannot be read.
func readShape(data []byte) string { return wire.NewReader(data).Text() }
