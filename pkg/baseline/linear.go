package baseline

import (
	"math"
	"slices"

	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/wire"
)

// linear is the stepper of a linear Gaussian model: a Kalman filter over what the profile leaves. Gaps, and samples that the guard rejects, leave the state to itself, and the
// distance grows as the model says.
type linear struct {
	*space
	mean float64 // of the samples, for models that return to it
}

func (l linear) begin() cursor { return &linearCursor{filter: *newFilter(l.space), offset: l.mean} }

func (l linear) write(w wire.Writer) wire.Writer { return l.space.write(w.Floats(l.mean)) }

func readLinear(r *wire.Reader) stepper {
	l := linear{mean: r.Float()}
	l.space = readSpace(r)
	return l
}

type linearCursor struct {
	filter
	offset float64 // the mean, or the level that was adopted
}

func (c *linearCursor) next() (center, width float64) {
	if c.steady {
		return c.offset + c.expected(), 1
	}
	return c.offset + c.expected(), max(1, math.Sqrt(c.f/c.usual))
}

func (c *linearCursor) see(x float64) { c.filter.see(x - c.offset - c.expected()) }

// adopt begins again around their level.
func (c *linearCursor) adopt(recent []float64) {
	level := levelBehind(recent)
	if level != level {
		c.miss()
		return
	}
	c.filter, c.offset = *newFilter(c.space), level
}

// levelBehind returns the median of the second half of the recent samples; NaN where all are gaps.
func levelBehind(recent []float64) float64 {
	half := recent[len(recent)/2:]
	return robust.MedianInPlace(robust.Drop(make([]float64, 0, len(half)), half))
}

// ahead returns the expected samples from the next one on.
func (c *linearCursor) ahead(dst []float64) {
	g := c.filter
	for i := range dst {
		dst[i] = c.offset + g.expected()
		g.move(0)
	}
}

// learning is the part of a window that a likelihood is computed over.
const learning = 5040

// quiet returns the last samples for learning, with those that stand out from their neighbours left out: the likelihood is Gaussian. A sample stands out when it is more
// than hampelLimit usual distances from the median of hampelWidth samples around it. Source of the rule: Davies and Gather, The Identification of Multiple Outliers,
// JASA 88(423), 1993, doi:10.1080/01621459.1993.10476339 (Hampel identifier).
func quiet(rest []float64) []float64 {
	y := slices.Clone(rest[max(0, len(rest)-learning):])
	off := make([]float64, len(y))
	scratch := make([]float64, 0, 2*hampelWidth+1)
	for i, x := range y {
		scratch = robust.Drop(scratch[:0], y[max(0, i-hampelWidth):min(len(y), i+hampelWidth+1)])
		off[i] = math.Abs(x - robust.MedianInPlace(scratch))
	}
	limit := hampelLimit * spread(robust.Drop(make([]float64, 0, len(off)), off))
	for i, d := range off {
		if d > limit {
			y[i] = nan
		}
	}
	return y
}

const (
	hampelWidth = 7
	hampelLimit = 6
)
