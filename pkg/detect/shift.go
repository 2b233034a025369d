package detect

import "math"

// halfway is the level from which a sample lies clearly on one side of what the fit expects.
const halfway = 0.5

// farther is how much farther than the recent samples one may go and still belong to them, besides the width of the band: the usual distance differs by time of day,
// and with it the level of the same shift.
const farther = 1.5

// markShifted finds the samples that belong to a new level. A sample does when more than half of the recent samples before it lie on its side, at least halfway to an
// anomaly, under the same fit, and it goes not much farther than they do: what most of the horizon shows is the level, whatever an older
// window says, and an outage on top of it is still one. The scores stay.
func markShifted(values []float64, r Result, recent int) {
	var sides [2]levels // below, above
	place := func(i int) (*levels, bool) {
		if !(r.Score[i] >= halfway) {
			return nil, false
		}
		if values[i] < r.Expected[i] {
			return &sides[0], true
		}
		return &sides[1], true
	}
	for i := range r.Score {
		if i >= recent {
			if l, aside := place(i); aside && 2*l.n > recent && r.Score[i] <= 1+farther*l.median() {
				r.State[i] = Shifted
			}
			if l, aside := place(i - recent); aside {
				l.add(r.Score[i-recent], -1)
			}
		}
		if l, aside := place(i); aside {
			l.add(r.Score[i], 1)
		}
	}
}

// perDoubling is how finely levels are counted: 16 bins a doubling tell them apart to 4 %.
const perDoubling = 16

// levels counts scores in logarithmic bins.
type levels struct {
	n   int
	bin [perDoubling * 32]int
}

func (l *levels) add(score float64, by int) {
	k := len(l.bin) - 1
	if x := perDoubling * math.Log2(1+score); x < float64(k) {
		k = int(x)
	}
	l.bin[k] += by
	l.n += by
}

// median returns the upper edge of the bin that holds the median.
func (l *levels) median() float64 {
	below := 0
	for k, n := range l.bin {
		if below += n; 2*below >= l.n {
			return math.Exp2(float64(k+1)/perDoubling) - 1
		}
	}
	return math.Inf(1)
}
