package logs

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Sequences.Add(registry.Entry[SequenceDetector]{
		Name:    "count_vector",
		Summary: "How often each event occurred, beside the nearest training session; an event whose count is always the same weighs more. Blind to order, and the best single one where workflows are known.",
		Source:  "Xu, Huang, Fox, Patterson, Jordan: Detecting Large-Scale System Problems by Mining Console Logs, SOSP 2009, doi:10.1145/1629575.1629587 (event counts); Landauer et al., FSE 2024, doi:10.1145/3660768 (nearest neighbour).",
		New:     func() SequenceDetector { return &CountVector{budgetOf{0.0005}} },
	})
}

// CountVector scores the weighted sum of differences between the counts of a session and those of the nearest training session. The weight of an event is
// 1/(1 + the variance of its count): one that comes once per session tells more than one that comes as often as somebody reads. An unknown event weighs 10.
type CountVector struct{ budgetOf }

const (
	unknownWeight = 10   // of an event that training did not have: it alone is beyond any threshold that is sensible
	maxVectors    = 4096 // distinct training vectors that are kept, the most frequent ones
)

// Fit implements SequenceDetector.
func (c *CountVector) Fit(train [][]ID) (SequenceModel, error) {
	return calibrate("count_vector", train, c.Budget, 0.5, fitVectors)
}

func (*CountVector) read(r *wire.Reader) (SequenceModel, error) {
	theta := readTheta(r)
	m := &vectors{v: readVocabulary(r)}
	m.weight = r.Slice()
	for n := r.Int(); n > 0; n-- {
		x := r.Slice()
		if len(x) != len(m.v.ids) {
			r.Fail()
			break
		}
		m.vecs = append(m.vecs, x)
	}
	if len(m.weight) != len(m.v.ids) {
		r.Fail()
	}
	return &calibrated{"count_vector", m, theta}, nil
}

// vectors are the distinct counts of the training sessions.
type vectors struct {
	v      vocabulary
	weight []float64
	vecs   [][]float64
}

func fitVectors(train []counted) raw {
	m := &vectors{v: vocabularyOf(train)}
	type row struct {
		x []float64
		n float64
	}
	at := map[string]*row{}
	var rows []*row
	total := 0.0
	sum, square := make([]float64, len(m.v.ids)), make([]float64, len(m.v.ids))
	for _, s := range train {
		x := make([]float64, len(m.v.ids))
		for _, e := range s.events {
			x[m.v.at[e]]++
		}
		for i, k := range x {
			sum[i] += s.n * k
			square[i] += s.n * k * k
		}
		total += s.n
		key := keyOf(x)
		if r := at[key]; r != nil {
			r.n += s.n
			continue
		}
		r := &row{x, s.n}
		at[key] = r
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b *row) int { return cmp.Compare(b.n, a.n) })
	for _, r := range rows[:min(len(rows), maxVectors)] {
		m.vecs = append(m.vecs, r.x)
	}
	m.weight = make([]float64, len(m.v.ids))
	for i := range m.weight {
		mean := sum[i] / total
		m.weight[i] = 1 / (1 + max(0, square[i]/total-mean*mean))
	}
	return m
}

func keyOf(x []float64) string {
	var b []byte
	for _, k := range x {
		b = append(strconv.AppendInt(b, int64(k), 10), ' ')
	}
	return string(b)
}

// strange returns the distance to the nearest vector, and the step at which the counts part: the first event beyond the neighbour's count of the event that
// differs most, or the end, if that one is missing.
func (m *vectors) strange(events []ID) (float64, int) {
	x := make([]float64, len(m.v.ids))
	unknown, step := 0.0, -1
	for i, e := range events {
		if k, ok := m.v.at[e]; ok {
			x[k]++
		} else if unknown += unknownWeight; step < 0 {
			step = i
		}
	}
	best, near := math.Inf(1), -1
	for j, y := range m.vecs {
		d := 0.0
		for i := range x {
			if x[i] != y[i] {
				if d += m.weight[i] * math.Abs(x[i]-y[i]); d >= best {
					break
				}
			}
		}
		if d < best {
			best, near = d, j
		}
	}
	if near < 0 {
		return unknown, step
	}
	if step < 0 && best > 0 {
		step = m.parting(events, x, m.vecs[near])
	}
	return best + unknown, step
}

func (m *vectors) parting(events []ID, x, y []float64) int {
	most, which := 0.0, -1
	for i := range x {
		if d := m.weight[i] * math.Abs(x[i]-y[i]); d > most {
			most, which = d, i
		}
	}
	if which < 0 || x[which] < y[which] {
		return len(events)
	}
	n := y[which]
	for i, e := range events {
		if e == m.v.ids[which] {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return len(events)
}

func (m *vectors) write(w wire.Writer) wire.Writer {
	w = m.v.write(w).Slice(m.weight).Ints(int64(len(m.vecs)))
	for _, x := range m.vecs {
		w = w.Slice(x)
	}
	return w
}
