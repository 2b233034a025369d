package baseline

import (
	"math"
	"math/rand/v2"
)

const (
	// patch is how many samples one step of the network reads, cells how many cells it has: enough for the fixtures and the labelled sets, small enough to be trained at
	// every anchor.
	patch, cells = 5, 8
	// batch is how many windows a step of the training averages over.
	batch = 16
	// rate is the greatest step of the training; it falls to zero along half a cosine.
	rate = 0.02
	// The constants of Adam are its authors'.
	adamFirst, adamSecond, adamLeast = 0.9, 0.999, 1e-8
	// longestGradient bounds the length of a gradient.
	longestGradient = 1.0
	// bend is where the loss of an error turns from square to straight, in units of the window's scale: an outlier counts, but not by its square.
	bend = 1.0
	// scaleLeast is the least scale of a window, in units of the scale of all: a quiet window is rarely as quiet as its few samples say.
	scaleLeast = 0.3
	// extreme cuts what the network sees, in units of the window's scale.
	extreme = 6.0
	// presentShare is the share of a window that must be there for it to be learnt from.
	presentShare = 0.8
)

// outlooks are the horizons that the network predicts, in samples ahead; between them forecasts follow straight lines, beyond the last one they keep its value.
var outlooks = [...]int{1, 2, 4, 8, 16, 32, 64}

// lens normalises a window: by its own last level and its own scale, so that the network sees shapes, whatever the level and the size.
type lens struct{ level, scale float64 }

// look writes the normalised window into dst and returns the lens, and how far the level is from the profile.
func look(window, dst []float64) (l lens, off float64) {
	last := window[len(window)-patch:]
	for _, x := range last {
		l.level += x / patch
	}
	for _, x := range window {
		l.scale += math.Abs(x-l.level) / float64(len(window))
	}
	l.scale = max(l.scale, scaleLeast)
	for i, x := range window {
		dst[i] = min(max((x-l.level)/l.scale, -extreme), extreme)
	}
	return l, min(max(l.level/l.scale, -extreme), extreme)
}

// trainer teaches a network.
type trainer struct {
	*network
	context int
	values  []float64 // NaN where there is nothing to learn from
	full    []float64 // the same with gaps filled from the sample before
	missing []int     // number of gaps before each sample
	rng     *rand.Rand
	tape    *tape
	input   []float64
	dy      []float64
}

// teach trains a network on windows of context samples for a number of steps: work is bounded by counting, not by the clock, so that a fit is pure.
// Source of the method: Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, arXiv:1412.6980.
func teach(values []float64, context, steps int, seed uint64) *network {
	n := &network{in: patch, hidden: cells, out: len(outlooks), theta: make([]float64, parameters(patch, cells, len(outlooks)))}
	t := &trainer{
		network: n, context: context, values: values, rng: rand.New(rand.NewPCG(seed, uint64(len(values)))),
		tape: n.newTape(context / patch), input: make([]float64, context), dy: make([]float64, n.out),
	}
	t.begin()
	t.fill()
	size := len(n.theta)
	grad, first, second := make([]float64, size), make([]float64, size), make([]float64, size)
	fall1, fall2 := 1.0, 1.0
	for s := range steps {
		clear(grad)
		for range batch {
			t.window(grad)
		}
		length := 0.0
		for _, g := range grad {
			length += g * g
		}
		shrink := 1 / math.Max(1, math.Sqrt(length)/(longestGradient*batch)) / batch
		fall1 *= adamFirst
		fall2 *= adamSecond
		step := rate * 0.5 * (1 + math.Cos(math.Pi*float64(s)/float64(steps)))
		for i, g := range grad {
			g *= shrink
			first[i] = adamFirst*first[i] + (1-adamFirst)*g
			second[i] = adamSecond*second[i] + (1-adamSecond)*g*g
			n.theta[i] -= step * first[i] / (1 - fall1) / (math.Sqrt(second[i]/(1-fall2)) + adamLeast)
		}
	}
	return n
}

// begin draws small weights; forget gates begin open, and the outputs at the profile.
func (t *trainer) begin() {
	width := t.in + t.hidden
	for r := range 4 * t.hidden {
		row := t.theta[r*(width+1):][:width+1]
		for i := range width {
			row[i] = (2*t.rng.Float64() - 1) / math.Sqrt(float64(width))
		}
		if r%4 == 1 {
			row[width] = 1
		}
	}
	rest := t.theta[t.dense():]
	for k := range t.out {
		rest[k*(t.hidden+2)+t.hidden] = -0.5 // halfway from the last level to the profile
	}
}

// fill closes the gaps and counts them.
func (t *trainer) fill() {
	t.full, t.missing = make([]float64, len(t.values)), make([]int, len(t.values)+1)
	last := 0.0
	for i, x := range t.values {
		t.missing[i+1] = t.missing[i]
		if x == x {
			last = x
		} else {
			t.missing[i+1]++
		}
		t.full[i] = last
	}
}

// window learns from one window at random. Windows with too many gaps teach nothing.
func (t *trainer) window(grad []float64) {
	const tries = 8
	room := len(t.values) - t.context
	for range tries {
		at := t.rng.IntN(room) // the window is [at, at+context)
		end := at + t.context
		if float64(t.missing[end]-t.missing[at]) > (1-presentShare)*float64(t.context) {
			continue
		}
		l, off := look(t.full[at:end], t.input)
		t.forward(t.input, off, t.tape)
		for k, h := range outlooks {
			t.dy[k] = 0
			if i := end + h - 1; i < len(t.values) {
				if x := t.values[i]; x == x {
					e := t.tape.y[k] - (x-l.level)/l.scale
					t.dy[k] = min(max(e/bend, -1), 1) / float64(len(outlooks))
				}
			}
		}
		t.backward(t.dy, t.tape, grad)
		return
	}
}
