package baseline

import "math"

// network is one layer of long short-term memory cells and a dense layer on what they hold at the end:
//
//	i, f, o = σ(W·[x; h] + b),  g = tanh(W·[x; h] + b),  c' = f·c + i·g,  h' = o·tanh(c'),  y = V·[h; extra] + a
//
// Source: Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997, doi:10.1162/neco.1997.9.8.1735, with the forget gate of Gers, Schmidhuber and
// Cummins, Learning to Forget, Neural Computation 12(10), 2000, doi:10.1162/089976600300015015.
type network struct {
	in, hidden, out int
	// theta holds all parameters: per cell and gate (i, f, g, o) a row of in + hidden weights and a bias, then per output a row of hidden + 1 weights and a bias.
	theta []float64
}

// parameters returns how many numbers a network of that shape has.
func parameters(in, hidden, out int) int { return 4*hidden*(in+hidden+1) + out*(hidden+2) }

// dense returns where the last layer begins.
func (n *network) dense() int { return 4 * n.hidden * (n.in + n.hidden + 1) }

// tape keeps what a pass forward computed, for the way back. It belongs to one goroutine.
type tape struct {
	steps int
	// u holds [x; h] of every step, gates the four gates of every cell, c and th the cells and their tanh; c begins with the zeros before the first step.
	u, gates, c, th []float64
	h, y            []float64
	extra           float64
	// dh, dc and dz are gradients on the way back.
	dh, dc, dz []float64
}

func (n *network) newTape(steps int) *tape {
	return &tape{
		steps: steps,
		u:     make([]float64, steps*(n.in+n.hidden)), gates: make([]float64, steps*4*n.hidden),
		c: make([]float64, (steps+1)*n.hidden), th: make([]float64, steps*n.hidden),
		h: make([]float64, n.hidden), y: make([]float64, n.out),
		dh: make([]float64, n.hidden), dc: make([]float64, n.hidden), dz: make([]float64, 4*n.hidden),
	}
}

// tanh is the ninth convergent of Lambert's continued fraction, within 1e-5 of the hyperbolic tangent and cut at ±1, three times as fast as by an exponential.
func tanh(x float64) float64 {
	if x > 10 || x < -10 {
		return math.Copysign(1, x)
	}
	y := x * x
	t := x * (34459425 + y*(4729725+y*(135135+y*(990+y)))) / (34459425 + y*(16216200+y*(945945+y*(13860+y*45))))
	return min(max(t, -1), 1)
}

func sigmoid(x float64) float64 { return 0.5 + 0.5*tanh(0.5*x) }

// forward passes a sequence of steps·in numbers and leaves the outputs in t.y.
func (n *network) forward(x []float64, extra float64, t *tape) {
	width := n.in + n.hidden
	clear(t.h)
	clear(t.c[:n.hidden])
	t.extra = extra
	for s := range t.steps {
		u := t.u[s*width:][:width]
		copy(u, x[s*n.in:][:n.in])
		copy(u[n.in:], t.h)
		gates := t.gates[s*4*n.hidden:][:4*n.hidden]
		before, c, th := t.c[s*n.hidden:][:n.hidden], t.c[(s+1)*n.hidden:][:n.hidden], t.th[s*n.hidden:][:n.hidden]
		for j := range n.hidden {
			// The four rows of a cell side by side: each number is read once.
			rows := n.theta[4*j*(width+1):][:4*(width+1)]
			ri, rf, rg, ro := rows[:width+1], rows[width+1:][:width+1], rows[2*(width+1):][:width+1], rows[3*(width+1):][:width+1]
			zi, zf, zg, zo := ri[width], rf[width], rg[width], ro[width]
			for i, v := range u {
				zi += ri[i] * v
				zf += rf[i] * v
				zg += rg[i] * v
				zo += ro[i] * v
			}
			i, f, g, o := sigmoid(zi), sigmoid(zf), tanh(zg), sigmoid(zo)
			gates[4*j], gates[4*j+1], gates[4*j+2], gates[4*j+3] = i, f, g, o
			c[j] = f*before[j] + i*g
			th[j] = tanh(c[j])
		}
		for j := range n.hidden {
			t.h[j] = gates[4*j+3] * th[j]
		}
	}
	rest := n.theta[n.dense():]
	for k := range t.y {
		row := rest[k*(n.hidden+2):][:n.hidden+2]
		sum := row[n.hidden+1] + row[n.hidden]*extra
		for j, h := range t.h {
			sum += row[j] * h
		}
		t.y[k] = sum
	}
}

// backward adds the gradient of the loss by all parameters to grad, given that by the outputs, through all steps of the last pass forward.
func (n *network) backward(dy []float64, t *tape, grad []float64) {
	width := n.in + n.hidden
	clear(t.dh)
	clear(t.dc)
	rest, restGrad := n.theta[n.dense():], grad[n.dense():]
	for k, d := range dy {
		if d == 0 {
			continue
		}
		row, g := rest[k*(n.hidden+2):][:n.hidden+2], restGrad[k*(n.hidden+2):][:n.hidden+2]
		for j, h := range t.h {
			g[j] += d * h
			t.dh[j] += d * row[j]
		}
		g[n.hidden] += d * t.extra
		g[n.hidden+1] += d
	}
	for s := t.steps - 1; s >= 0; s-- {
		u, gates := t.u[s*width:][:width], t.gates[s*4*n.hidden:][:4*n.hidden]
		before, th := t.c[s*n.hidden:][:n.hidden], t.th[s*n.hidden:][:n.hidden]
		for j := range n.hidden {
			i, f, g, o := gates[4*j], gates[4*j+1], gates[4*j+2], gates[4*j+3]
			dc := t.dc[j] + t.dh[j]*o*(1-th[j]*th[j])
			t.dz[4*j] = dc * g * i * (1 - i)
			t.dz[4*j+1] = dc * before[j] * f * (1 - f)
			t.dz[4*j+2] = dc * i * (1 - g*g)
			t.dz[4*j+3] = t.dh[j] * th[j] * o * (1 - o)
			t.dc[j] = dc * f
		}
		clear(t.dh)
		for r, d := range t.dz {
			row, g := n.theta[r*(width+1):][:width+1], grad[r*(width+1):][:width+1]
			for i, v := range u {
				g[i] += d * v
			}
			g[width] += d
			for j := range t.dh {
				t.dh[j] += d * row[n.in+j]
			}
		}
	}
}
