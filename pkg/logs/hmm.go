package logs

import (
	"math"
	"math/rand/v2"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Sequences.Add(registry.Entry[SequenceDetector]{
		Name:    "hmm",
		Summary: "A hidden Markov model of the phases that a session goes through: the surprise of the most surprising step. Few numbers, so it learns from few sessions.",
		Source:  "Rabiner: A Tutorial on Hidden Markov Models and Selected Applications in Speech Recognition, Proc. IEEE 77(2), 1989, doi:10.1109/5.18626, sections III and V.A.",
		New:     func() SequenceDetector { return &HMM{States: 8, Iterations: 30, Seed: 1, budgetOf: budgetOf{0.0005}} },
	})
}

// HMM scores the largest surprise (in bits) of a step given all before it, under a hidden Markov model fitted by Baum and Welch's method. The end of the session
// is a step. Every event keeps a small probability in every state, so that nothing is infinitely surprising.
type HMM struct {
	States     int `json:"states" yaml:"states" min:"1" max:"64" help:"Hidden states: phases of a session."`
	Iterations int `json:"iterations" yaml:"iterations" min:"1" max:"500" help:"Rounds of re-estimation at most; it ends when the likelihood no longer grows."`
	Seed       int `json:"seed" yaml:"seed" min:"0" max:"1000000" help:"Seed of the first guess."`
	budgetOf
}

// Fit implements SequenceDetector.
func (h *HMM) Fit(train [][]ID) (SequenceModel, error) {
	return calibrate("hmm", train, h.Budget, 1, func(some []counted) raw { return h.fit(some) })
}

// hidden is a model with s states and m symbols: the known events, the end, and whatever is unknown.
type hidden struct {
	v     vocabulary
	s, m  int
	start []float64 // s
	step  []float64 // s × s
	emit  []float64 // s × m
}

// Floors of probabilities: what was never seen in a state is not impossible.
const (
	emitFloor = 1e-6
	stepFloor = 1e-6
	maxSteps0 = 1000 // steps of a session that are read; the rest says nothing new about phases
)

func (h *HMM) fit(train []counted) raw {
	v := vocabularyOf(train)
	m := &hidden{v: v, s: h.States, m: len(v.ids) + 2}
	rng := rand.New(rand.NewPCG(uint64(h.Seed), 2))
	random := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = 1 + rng.Float64()
		}
		return x
	}
	m.start, m.step, m.emit = random(m.s), random(m.s*m.s), random(m.s*m.m)
	m.normalise()
	before := math.Inf(-1)
	for range h.Iterations {
		now := m.reestimate(train)
		if now-before < 1e-4*math.Abs(now) {
			break
		}
		before = now
	}
	return m
}

func (m *hidden) normalise() {
	toOne(m.start, stepFloor)
	for i := range m.s {
		toOne(m.step[i*m.s:(i+1)*m.s], stepFloor)
		toOne(m.emit[i*m.m:(i+1)*m.m], emitFloor)
	}
}

// symbols are the numbers of the events, the end behind them.
func (m *hidden) symbols(events []ID) []int {
	if len(events) > maxSteps0 {
		events = events[:maxSteps0]
	}
	o := make([]int, 0, len(events)+1)
	for _, e := range events {
		k, ok := m.v.at[e]
		if !ok {
			k = m.m - 1
		}
		o = append(o, k)
	}
	return append(o, m.m-2)
}

// forward fills alpha (steps × states, each row summing to 1) and scale, the probability of each symbol given those before it.
func (m *hidden) forward(o []int, alpha, scale []float64) {
	for t, k := range o {
		row := alpha[t*m.s : (t+1)*m.s]
		sum := 0.0
		for j := range m.s {
			p := m.start[j]
			if t > 0 {
				p = 0
				for i, a := range alpha[(t-1)*m.s : t*m.s] {
					p += a * m.step[i*m.s+j]
				}
			}
			row[j] = p * m.emit[j*m.m+k]
			sum += row[j]
		}
		scale[t] = sum
		for j := range row {
			row[j] /= sum
		}
	}
}

// reestimate is one round of Baum and Welch over all sessions; it returns the log-likelihood before it.
func (m *hidden) reestimate(train []counted) float64 {
	start, step, emit := make([]float64, m.s), make([]float64, m.s*m.s), make([]float64, m.s*m.m)
	var alpha, beta, next, scale []float64
	total := 0.0
	for _, s := range train {
		o := m.symbols(s.events)
		alpha, scale = grown(alpha, len(o)*m.s), grown(scale, len(o))
		beta, next = grown(beta, m.s), grown(next, m.s)
		m.forward(o, alpha, scale)
		for _, c := range scale {
			total += s.n * math.Log(c)
		}
		for i := range beta {
			beta[i] = 1
		}
		for t := len(o) - 1; t >= 0; t-- {
			row := alpha[t*m.s : (t+1)*m.s]
			for i := range m.s {
				emit[i*m.m+o[t]] += s.n * row[i] * beta[i]
			}
			if t == 0 {
				for i := range m.s {
					start[i] += s.n * row[i] * beta[i]
				}
				break
			}
			before := alpha[(t-1)*m.s : t*m.s]
			for i := range m.s {
				next[i] = 0
				for j := range m.s {
					x := m.step[i*m.s+j] * m.emit[j*m.m+o[t]] * beta[j] / scale[t]
					next[i] += x
					step[i*m.s+j] += s.n * before[i] * x
				}
			}
			beta, next = next, beta
		}
	}
	m.start, m.step, m.emit = start, step, emit
	m.normalise()
	return total
}

func grown(x []float64, n int) []float64 {
	if cap(x) < n {
		return make([]float64, n)
	}
	return x[:n]
}

// strange returns the largest surprise.
func (m *hidden) strange(events []ID) (float64, int) {
	o := m.symbols(events)
	alpha, scale := make([]float64, len(o)*m.s), make([]float64, len(o))
	m.forward(o, alpha, scale)
	most, step := 0.0, -1
	for t, p := range scale {
		if x := -math.Log2(p); x > most {
			most, step = x, t
		}
	}
	return most, step
}

// path returns the most probable states of the session, by Viterbi's method in log space; the last one is that of the end.
func (m *hidden) path(events []ID) []int {
	o := m.symbols(events)
	from := make([]int, len(o)*m.s)
	score, next := make([]float64, m.s), make([]float64, m.s)
	for j := range m.s {
		score[j] = math.Log(m.start[j]) + math.Log(m.emit[j*m.m+o[0]])
	}
	for t := 1; t < len(o); t++ {
		for j := range m.s {
			best, at := math.Inf(-1), 0
			for i := range m.s {
				if x := score[i] + math.Log(m.step[i*m.s+j]); x > best {
					best, at = x, i
				}
			}
			next[j] = best + math.Log(m.emit[j*m.m+o[t]])
			from[t*m.s+j] = at
		}
		score, next = next, score
	}
	best := 0
	for j := range score {
		if score[j] > score[best] {
			best = j
		}
	}
	states := make([]int, len(o))
	for t := len(o) - 1; t >= 0; t-- {
		states[t] = best
		best = from[t*m.s+best]
	}
	return states
}

func (m *hidden) write(w wire.Writer) wire.Writer {
	return m.v.write(w).Ints(int64(m.s)).Slice(m.start).Slice(m.step).Slice(m.emit)
}

func (*HMM) read(r *wire.Reader) (SequenceModel, error) {
	theta := readTheta(r)
	m := &hidden{v: readVocabulary(r), s: int(r.Int()), start: r.Slice(), step: r.Slice(), emit: r.Slice()}
	m.m = len(m.v.ids) + 2
	if m.s < 1 || m.s > 64 || len(m.start) != m.s || len(m.step) != m.s*m.s || len(m.emit) != m.s*m.m {
		r.Fail()
		m.s = 0
	} else if !probabilities(m.start) || !probabilities(m.step) || !probabilities(m.emit) {
		r.Fail()
	}
	return &calibrated{"hmm", m, theta}, nil
}

func probabilities(x []float64) bool {
	for _, p := range x {
		if !(p > 0 && p <= 1) {
			return false
		}
	}
	return true
}

// toOne raises every weight to the floor and makes them sum to 1.
func toOne(x []float64, floor float64) {
	sum := 0.0
	for _, p := range x {
		sum += p
	}
	if sum == 0 {
		sum = 1
	}
	after := 0.0
	for i := range x {
		x[i] = x[i]/sum + floor
		after += x[i]
	}
	for i := range x {
		x[i] /= after
	}
}

// Phases returns the most probable phase of each event of a session under a model of "hmm", by Viterbi's method, as numbers from 0 on; of a session of more
// than 1,000 events those of the first 1,000. Other models know no phases: false.
func Phases(m SequenceModel, events []ID) ([]int, bool) {
	c, ok := m.(*calibrated)
	if !ok {
		return nil, false
	}
	h, ok := c.raw.(*hidden)
	if !ok {
		return nil, false
	}
	states := h.path(events)
	return states[:len(states)-1], true // the last one is that of the end
}
