package logs

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Sequences.Add(registry.Entry[SequenceDetector]{
		Name:    "ngram",
		Summary: "The surprise of the most surprising step, given the steps just before it. Sees order, and tells the step.",
		Source:  "Witten, Bell: The Zero-Frequency Problem, IEEE Trans. Information Theory 37(4), 1991, doi:10.1109/18.87000 (smoothing, method C); Forrest et al.: A Sense of Self for Unix Processes, S&P 1996, doi:10.1109/SECPRI.1996.502675.",
		New:     func() SequenceDetector { return &NGram{Order: 3, budgetOf: budgetOf{0.0005}} },
	})
}

// NGram scores the largest surprise (in bits) of a step given the Order-1 steps before it, the beginning and the end of the session being steps of their own.
// Probabilities are Witten and Bell's: those of longer contexts, mixed with those of shorter ones by how many different events followed.
type NGram struct {
	Order int `json:"order" yaml:"order" min:"1" max:"6" help:"How many steps are looked at together."`
	budgetOf
}

// Fit implements SequenceDetector.
func (g *NGram) Fit(train [][]ID) (SequenceModel, error) {
	return calibrate("ngram", train, g.Budget, 1, func(some []counted) raw { return fitGrams(some, g.Order) })
}

func (*NGram) read(r *wire.Reader) (SequenceModel, error) {
	theta := readTheta(r)
	m := &grams{order: int(r.Int()), v: readVocabulary(r), count: map[string]float64{}, total: map[string]float64{}, kinds: map[string]float64{}}
	if m.order < 1 || m.order > 6 {
		r.Fail()
	}
	for n := r.Int(); n > 0; n-- {
		key, c := r.Text(), r.Float()
		if len(key) < 4 || len(key) > 4*6 || len(key)%4 != 0 || !(c > 0) {
			r.Fail()
			break
		}
		m.add(key, c)
	}
	return &calibrated{"ngram", m, theta}, nil
}

// grams are counts of runs of events. A key is the events' numbers, four bytes each.
type grams struct {
	order int
	v     vocabulary
	count map[string]float64 // of a run
	total map[string]float64 // of what followed a context
	kinds map[string]float64 // how many different events followed it
}

// The numbers of what is no event.
const (
	began = iota
	ended
	strangeEvent
	firstEvent
)

func fitGrams(train []counted, order int) raw {
	m := &grams{order: order, v: vocabularyOf(train), count: map[string]float64{}, total: map[string]float64{}, kinds: map[string]float64{}}
	for _, s := range train {
		key := m.encode(s.events)
		for i := 4 * m.pad(); i < len(key); i += 4 {
			for n := 1; n <= order; n++ {
				m.count[string(key[i+4-4*n:i+4])] += s.n
			}
		}
	}
	for key, c := range m.count {
		m.total[key[:len(key)-4]] += c
		m.kinds[key[:len(key)-4]]++
	}
	return m
}

func (m *grams) add(key string, c float64) {
	m.count[key] = c
	m.total[key[:len(key)-4]] += c
	m.kinds[key[:len(key)-4]]++
}

// pad is how many beginnings stand before a session.
func (m *grams) pad() int { return m.order - 1 }

func (m *grams) encode(events []ID) []byte {
	b := make([]byte, 4*m.pad(), 4*(m.pad()+len(events)+1))
	for _, e := range events {
		n := strangeEvent
		if k, ok := m.v.at[e]; ok {
			n = firstEvent + k
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return binary.LittleEndian.AppendUint32(b, ended)
}

// strange returns the largest surprise.
func (m *grams) strange(events []ID) (float64, int) {
	key := m.encode(events)
	most, step := 0.0, -1
	for i := 4 * m.pad(); i < len(key); i += 4 {
		if x := -math.Log2(m.probability(key, i)); x > most {
			most, step = x, i/4-m.pad()
		}
	}
	return most, step
}

// probability of the event at byte i: from none before it to all that the order allows.
func (m *grams) probability(key []byte, i int) float64 {
	p := 1 / float64(len(m.v.ids)+firstEvent) // before anything is known
	for n := 1; n <= m.order; n++ {
		context := key[i+4-4*n : i]
		total := m.total[string(context)]
		if total == 0 {
			break
		}
		kinds := m.kinds[string(context)]
		p = (m.count[string(key[i+4-4*n:i+4])] + kinds*p) / (total + kinds)
	}
	return p
}

func (m *grams) write(w wire.Writer) wire.Writer {
	w = m.v.write(w.Ints(int64(m.order))).Ints(int64(len(m.count)))
	keys := make([]string, 0, len(m.count))
	for k := range m.count {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		w = w.Text(k).Floats(m.count[k])
	}
	return w
}
