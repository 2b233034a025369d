package season

import (
	"math"
	"slices"

	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/series"
)

// Level is a stretch of samples [From, To) that lies Offset above the newest stretch, whose offset is 0.
type Level struct {
	From, To int
	Offset   float64
}

const (
	// levelJump is how many usual distances of samples two levels differ at the least: less is scatter, which a band around one level holds.
	levelJump = 4
	// levelLeast is how many hours a level must last: longer than a day, so that one odd day is none.
	levelLeast = 48
	// stretchLeast is how many hours stretches have that are told apart at first, so that an odd day is not taken for half of a level.
	stretchLeast = 12
	// levelBlocks bounds the number of blocks that change points are looked for between, which costs its square.
	levelBlocks = 500
	// levelPhases is how finely the day is drawn that levels are read against.
	levelPhases = 96
	// steadily is how much of the way between the levels of days may be left beside a straight line that replaces it.
	steadily = 0.35
	// incident is how many blocks a running median spans: what is shorter than half of it is an incident, not a level.
	incident = 7
)

// Levels finds the lasting level shifts of a series that may follow the day: stretches of two days at the least whose levels differ by more than samples
// usually scatter. One stretch over all is the ordinary answer, and costs little; so is that to series of fewer than four days,
// and to a straight trend. Gaps are allowed. Callers put NaN where
// another level is usual, as on weekends.
//
// Days are centred on their own medians, so that a shift does not bend the profile they have in common; what that leaves, in hourly medians, is cut where the squared
// distance from the levels, with a price per cut, is least. Source of the cut: Jackson et al., An algorithm for optimal partitioning of data on an interval, IEEE Signal
// Processing Letters 12(2), 2005, doi:10.1109/LSP.2001.838216.
func Levels(values []float64, g series.Grid) []Level {
	n := len(values)
	one := []Level{{To: n}}
	per := int(DayMillis / g.Step)
	if g.Step <= 0 || per < 4 || n < 4*per {
		return one
	}
	daily := dayMedians(values, per)
	usual := dayToDay(values, per)
	jump := levelJump * usual
	if d := apart(daily); !(d > jump) || math.IsInf(d, 0) {
		return one
	}
	blocks, size := hourly(values, per, daily)
	hours := func(h int) int { return max(2, (h*per/24+size-1)/size) }
	stretches := lasting(stretchesOf(blocks, partition(median(blocks, incident), hours(stretchLeast), jump)), hours(levelLeast), jump)
	levels := make([]Level, len(stretches))
	for k, s := range stretches {
		levels[k] = Level{To: n, Offset: s.middle - stretches[len(stretches)-1].middle}
		if k > 0 {
			levels[k].From = n - (len(blocks)-s.from)*size
			levels[k-1].To = levels[k].From
		}
	}
	return levels
}

// apart returns how far the levels of days lie apart; of days that climb or fall steadily, how far they lie apart beside the straight line.
func apart(daily []float64) float64 {
	var at, level []float64
	for d, m := range daily {
		if m == m {
			at, level = append(at, float64(d)), append(level, m)
		}
	}
	span := func(slope float64) float64 {
		lo, hi := math.Inf(1), math.Inf(-1)
		for k, m := range level {
			m -= slope * at[k]
			lo, hi = min(lo, m), max(hi, m)
		}
		return hi - lo
	}
	all := span(0)
	if slope, trend := robust.Slope(at, level); trend {
		if beside := span(slope); beside <= steadily*all {
			return beside
		}
	}
	return all
}

// dayMedians returns the median of each day counted back from the end, the newest last; NaN for one with less than half of its samples.
func dayMedians(values []float64, per int) []float64 {
	days := (len(values) + per - 1) / per
	m := make([]float64, days)
	var scratch []float64
	for d := range m {
		to := len(values) - (days-1-d)*per
		scratch = robust.Drop(scratch[:0], values[max(0, to-per):to])
		if m[d] = math.NaN(); 2*len(scratch) >= per {
			m[d] = robust.MedianInPlace(scratch)
		}
	}
	return m
}

// dayToDay is the usual distance of samples from what they were a day before, per sample; a shift is seen by one day of differences only.
func dayToDay(values []float64, per int) float64 {
	every := max(1, (len(values)-per)/1000)
	var d []float64
	for i := per; i < len(values); i += every {
		if x := values[i] - values[i-per]; x-x == 0 {
			d = append(d, math.Abs(x))
		}
	}
	if len(d) < 20 {
		return math.NaN()
	}
	scale := robust.MedianInPlace(d)
	if !(scale > 0) {
		return robust.GaussianMean * robust.Mean(d) / math.Sqrt2
	}
	return robust.Gaussian * scale / math.Sqrt2
}

// hourly returns the medians of blocks of an hour, or longer where there would be too many, counted back from the end, of what the days leave of a common profile; and the
// number of samples of a block. NaN where there are none.
func hourly(values []float64, per int, daily []float64) (blocks []float64, size int) {
	n, days := len(values), len(daily)
	phases := min(levelPhases, per)
	cell := make([][]float64, phases)
	day := func(i int) int { return days - 1 - (n-1-i)/per }
	phase := func(i int) int { return (per - 1 - (n-1-i)%per) * phases / per }
	every := max(1, per/levelPhases/4) // a few samples tell of a phase
	for i := n - 1; i >= 0; i -= every {
		if m := daily[day(i)]; m == m && values[i] == values[i] {
			cell[phase(i)] = append(cell[phase(i)], values[i]-m)
		}
	}
	profile := make([]float64, phases)
	for k, c := range cell {
		profile[k] = robust.MedianInPlace(c) // NaN for none
	}
	size = max(1, (per+23)/24, (n+levelBlocks-1)/levelBlocks)
	blocks = make([]float64, (n+size-1)/size)
	var scratch []float64
	for b := range blocks {
		to := n - (len(blocks)-1-b)*size
		scratch = scratch[:0]
		for i := max(0, to-size); i < to; i++ {
			if r := values[i] - profile[phase(i)]; r == r {
				scratch = append(scratch, r)
			}
		}
		blocks[b] = robust.MedianInPlace(scratch)
	}
	return blocks, size
}

// median returns the running median over width blocks around each; NaN where there is none.
func median(x []float64, width int) []float64 {
	out := make([]float64, len(x))
	var scratch []float64
	for i := range x {
		scratch = robust.Drop(scratch[:0], x[max(0, i-width/2):min(len(x), i+width/2+1)])
		out[i] = robust.MedianInPlace(scratch)
	}
	return out
}

// partition cuts x (NaN: not counted) into stretches of least blocks or more with the least squared distance from their means, where a cut costs what a stretch of
// that length gains by being half a jump off. It returns the first block of each stretch.
func partition(x []float64, least int, jump float64) []int {
	n := len(x)
	sum, square, count := make([]float64, n+1), make([]float64, n+1), make([]float64, n+1)
	offset := 0.0 // keeps the squares small
	for _, v := range x {
		if v == v {
			offset = v
			break
		}
	}
	for i, v := range x {
		sum[i+1], square[i+1], count[i+1] = sum[i], square[i], count[i]
		if v == v {
			v = (v - offset) / jump
			sum[i+1] += v
			square[i+1] += v * v
			count[i+1]++
		}
	}
	cost := func(i, j int) float64 {
		c := count[j] - count[i]
		if c < float64(least) { // too little is known of it to be a level, unless it is all
			if i == 0 && j == n && c == 0 {
				return 0
			}
			if i > 0 || j < n {
				return math.Inf(1)
			}
		}
		s := sum[j] - sum[i]
		return square[j] - square[i] - s*s/c
	}
	price := float64(least) / 4
	best, from := make([]float64, n+1), make([]int, n+1)
	best[0] = -price
	for j := 1; j <= n; j++ {
		best[j], from[j] = cost(0, j)+best[0]+price, 0
		for i := 0; i <= j-least || i == 0; i++ {
			if c := best[i] + cost(i, j) + price; c <= best[j] { // of equal ones the latest: a gap belongs to what was before it
				best[j], from[j] = c, i
			}
			if j < 2*least {
				break // one stretch
			}
		}
	}
	var cuts []int
	for j := n; j > 0; j = from[j] {
		cuts = append([]int{from[j]}, cuts...)
	}
	return cuts
}

// stretch is a run of blocks [from, to) around one level, count of them with samples.
type stretch struct {
	from, to, count int
	middle          float64
}

func stretchesOf(blocks []float64, cuts []int) []stretch {
	out := make([]stretch, len(cuts))
	for k, c := range cuts {
		out[k] = stretch{from: c, to: len(blocks)}
		if k > 0 {
			out[k-1].to = c
		}
	}
	for k, s := range out {
		values := robust.Drop(nil, blocks[s.from:s.to])
		out[k].count, out[k].middle = len(values), robust.MedianInPlace(values)
	}
	return out
}

// lasting keeps the stretches that are levels: those with enough blocks, and the first, whose beginning is not known. A shorter one is an incident on the level before
// it, and neighbours that differ by less than a jump are one level.
func lasting(all []stretch, least int, jump float64) []stretch {
	all = joined(all, jump)
	kept := []stretch{all[0]}
	for _, s := range all[1:] {
		if s.count >= least {
			kept = append(kept, s)
		}
	}
	return joined(kept, jump)
}

// joined joins neighbours that differ by less than a jump, the most alike first; the longer one tells the level.
func joined(all []stretch, jump float64) []stretch {
	all = slices.Clone(all)
	for {
		weakest, gap := -1, jump
		for k := 1; k < len(all); k++ {
			if d := math.Abs(all[k].middle - all[k-1].middle); !(d >= gap) {
				weakest, gap = k, d
			}
		}
		if weakest < 0 {
			return all
		}
		a, b := &all[weakest-1], all[weakest]
		if b.count > a.count {
			a.middle = b.middle
		}
		a.to, a.count = b.to, a.count+b.count
		all = slices.Delete(all, weakest, weakest+1)
	}
}
