package baseline

import (
	"fmt"
	"math"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

func init() {
	Baselines.Add(registry.Entry[Baseline]{
		Name:    "lstm",
		Summary: "A small recurrent network that reads the last samples beside the usual day and expects the next ones.",
		Source:  "Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997, doi:10.1162/neco.1997.9.8.1735",
		New:     func() Baseline { return NewLSTM() },
	})
}

// LSTM is a layer of long short-term memory cells over the last samples, in patches, that predicts several horizons at once. It is trained on what the usual day leaves, each
// window normalised by its own level and scale, for a fixed number of steps from a seed that is the series' own.
type LSTM struct {
	Window int               `json:"window" yaml:"window" min:"20" max:"480" unit:"samples" help:"How many samples the network reads; rounded up to a multiple of 5."`
	Steps  int               `json:"steps" yaml:"steps" min:"10" max:"5000" help:"How long the network is trained: steps of 16 windows each. Time grows with it."`
	Adopt  registry.Duration `json:"adopt" yaml:"adopt" min:"600" max:"604800" help:"A new level that lasted so long is taken for ordinary and followed; until then the expected value stays where it was."`
}

// NewLSTM returns the defaults.
func NewLSTM() *LSTM { return &LSTM{Window: 30, Steps: 120, Adopt: registry.Duration(3 * time.Hour)} }

// Validate accepts all that the tags do.
func (*LSTM) Validate() error { return nil }

// context returns the window in whole patches.
func (l *LSTM) context() int { return (l.Window + patch - 1) / patch * patch }

// Fit learns the profile and trains three networks: one on each half of the window, to score the other half, and one on all of it, which is the model.
func (l *LSTM) Fit(train series.Series, zone *time.Location) (Fit, error) {
	if least := 4 * l.context(); train.Grid.N < least {
		return Fit{}, fmt.Errorf("%d samples, want at least %d: %w", train.Grid.N, least, ErrTooShort)
	}
	return fitStepped("lstm", train, zone, l.Adopt.Milliseconds(), recurrent{l.context(), l.Steps}, true)
}

// Context returns how many samples a model wants before the first one that counts.
func (l *LSTM) Context(step int64) int {
	return warmupSamples(l.Adopt.Milliseconds(), step, l.context())
}

// recurrent trains networks.
type recurrent struct{ context, steps int }

func (r recurrent) learn(rest []float64, seed uint64) (stepper, error) {
	return &remembering{net: teach(rest, r.context, r.steps, seed), context: r.context}, nil
}

// remembering is the stepper of a trained network.
type remembering struct {
	net     *network
	context int
}

func (m *remembering) write(w wire.Writer) wire.Writer {
	return w.Ints(int64(m.context)).Slice(m.net.theta)
}

func (*LSTM) unmarshal(r *wire.Reader) Model {
	return readStepped("lstm", r, func(r *wire.Reader) stepper {
		m := &remembering{context: int(r.Int()), net: &network{in: patch, hidden: cells, out: len(outlooks), theta: r.Slice()}}
		if want := parameters(patch, cells, len(outlooks)); m.context < patch || m.context > 1000 || m.context%patch != 0 || len(m.net.theta) != want {
			r.Fail()
			m.context, m.net.theta = patch, make([]float64, want)
		}
		return m
	})
}

func (m *remembering) begin() cursor {
	return &memory{remembering: m, ring: make([]float64, m.context, 4*m.context), input: make([]float64, m.context), tape: m.net.newTape(m.context / patch)}
}

// memory is a network on its way: it holds the last samples, with what it expected in place of those that it did not get.
type memory struct {
	*remembering
	ring  []float64 // the last context entries are the window, less the offset
	input []float64
	tape  *tape
	lens  lens
	fresh bool // the outputs are those of the window
	// offset is the level that was adopted: the network goes on as if it were none.
	offset float64
}

// fades is how much of what is expected stays when it takes the place of a sample: after a long gap the network is back at the profile.
const fades = 0.98

func (m *memory) think() {
	if m.fresh {
		return
	}
	var off float64
	m.lens, off = look(m.ring[len(m.ring)-m.context:], m.input)
	m.net.forward(m.input, off, m.tape)
	m.fresh = true
}

// outlook is what is expected at a horizon.
func (m *memory) outlook(k int) float64 { return m.offset + m.lens.level + m.lens.scale*m.tape.y[k] }

func (m *memory) next() (center, width float64) {
	m.think()
	return m.outlook(0), 1
}

func (m *memory) see(x float64) {
	if len(m.ring) == cap(m.ring) {
		m.ring = m.ring[:copy(m.ring, m.ring[len(m.ring)-m.context:])]
	}
	m.ring = append(m.ring, x-m.offset)
	m.fresh = false
}

func (m *memory) miss() {
	m.think()
	m.see(m.offset + fades*(m.outlook(0)-m.offset))
}

func (m *memory) adopt(recent []float64) {
	level := levelBehind(recent)
	if level != level {
		m.miss()
		return
	}
	m.offset = level
	for _, x := range recent[max(0, len(recent)-m.context):] {
		if x != x {
			x = level
		}
		m.see(x)
	}
}

func (m *memory) ahead(dst []float64) {
	m.think()
	j := 0
	for i := range dst {
		h := i + 1
		for j+1 < len(outlooks)-1 && h >= outlooks[j+1] {
			j++
		}
		a, b := outlooks[j], outlooks[j+1]
		w := math.Min(1, float64(h-a)/float64(b-a))
		dst[i] = (1-w)*m.outlook(j) + w*m.outlook(j+1)
	}
}
