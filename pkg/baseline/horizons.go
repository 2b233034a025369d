package baseline

import (
	"math"

	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// horizons tells, at horizons that double, how much of what a stepper expects so many samples ahead comes true, and how far samples lie from that, in usual distances of one
// sample ahead.
type horizons struct {
	// keep is the share of what the stepper expects beside the profile: where levels do not last, a forecast returns to the usual day.
	keep   []float64
	errors []shape
}

const (
	// horizonOrigins is how many forecasts the distributions are learnt from, and horizonErrors how many errors each wants at the least.
	horizonOrigins, horizonErrors = 400, 50
	// keepLimit cuts what counts for the share that is kept, in usual distances.
	keepLimit = 4.0
)

// place returns between which horizons k steps ahead lie, and the weight of the second; beyond the last one it is the last.
func (h *horizons) place(k int) (i, j int, weight float64) {
	x := math.Log2(float64(k))
	last := len(h.errors) - 1
	if i = int(x); i >= last {
		return last, last, 0
	}
	return i, i + 1, x - float64(i)
}

// at returns the score that the sample k steps ahead stays below with probability p.
func (h *horizons) at(k int, p float64) float64 {
	i, j, w := h.place(k)
	return (1-w)*h.errors[i].at(p) + w*h.errors[j].at(p)
}

// kept returns the share that counts k steps ahead.
func (h *horizons) kept(k int) float64 {
	i, j, w := h.place(k)
	return (1-w)*h.keep[i] + w*h.keep[j]
}

func (h *horizons) write(w wire.Writer) wire.Writer {
	w = w.Slice(h.keep)
	for _, s := range h.errors {
		w = w.Slice(s)
	}
	return w
}

func readHorizons(r *wire.Reader) horizons {
	h := horizons{keep: r.Slice()}
	if n := len(h.keep); n < 1 || n > 64 {
		r.Fail()
		h.keep = []float64{1}
	}
	for range h.keep {
		h.errors = append(h.errors, readShape(r))
	}
	return h
}

// horizonFit gathers forecasts and what came.
type horizonFit struct {
	at [][]forecasted // at 2^k samples ahead
}

// forecasted is what was expected of a sample beside the profile, what came, and the usual distances above and below at that time.
type forecasted struct{ expected, came, up, down float64 }

func (f forecasted) error(keep float64) float64 {
	e := f.came - keep*f.expected
	if e < 0 {
		return e / f.down
	}
	return e / f.up
}

// newHorizonFit looks a day ahead, or a third of the window.
func newHorizonFit(g series.Grid) *horizonFit {
	most := max(1, min(int(season.DayMillis/g.Step), g.N/3))
	return &horizonFit{at: make([][]forecasted, 1+int(math.Log2(float64(most))))}
}

// visit returns what gathers forecasts on a walk over what earlier days left from sample first on: from evenly spaced samples of a part, of samples in that part.
func (h *horizonFit) visit(f *steppedFit, first int, part [2]int) func(i int, c cursor) {
	every := max(1, (part[1]-part[0])/horizonOrigins)
	ahead := make([]float64, 1<<(len(h.at)-1))
	return func(i int, c cursor) {
		if i += first; i < part[0] || (i-part[0])%every != 0 {
			return
		}
		c.ahead(ahead)
		for k := range h.at {
			t := i + 1<<k - 1
			if t >= part[1] {
				return
			}
			if x := f.out[t]; x == x {
				h.at[k] = append(h.at[k], forecasted{f.scale * ahead[1<<k-1], x, f.distance(f.up, t), f.distance(f.down, t)})
			}
		}
	}
}

// horizons returns the distributions, up to the last horizon that has enough errors. With too few at all they are normal.
func (h *horizonFit) horizons() horizons {
	out := horizons{}
	keep := 1.0
	for _, all := range h.at {
		if len(all) < horizonErrors {
			break
		}
		keep = min(keep, comesTrue(all))
		e := make([]float64, len(all))
		for i, f := range all {
			e[i] = f.error(keep)
		}
		out.keep, out.errors = append(out.keep, keep), append(out.errors, shapeOf(e))
	}
	if out.keep == nil {
		s := make(shape, shapePoints)
		for k := range s {
			s[k] = float64(k)*shapeEdge - shapeEnd
		}
		out = horizons{keep: []float64{1}, errors: []shape{s}}
	}
	return out
}

// comesTrue returns the share of what was expected that came, by least squares with both cut at keepLimit usual distances; between 0 and 1.
func comesTrue(all []forecasted) float64 {
	products, squares := 0.0, 0.0
	for _, f := range all {
		d := f.up + f.down
		came, expected := cut(2*f.came/d), cut(2*f.expected/d)
		products += came * expected
		squares += expected * expected
	}
	if !(products > 0) {
		return 0
	}
	return min(1, products/squares)
}

func cut(x float64) float64 { return min(max(x, -keepLimit), keepLimit) }
