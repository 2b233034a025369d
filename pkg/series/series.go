// Package series holds labelled values on a regular, absolute time grid.
//
// The idea: every sample lies at a multiple of the step since the Unix epoch, so that a value for time t is the same sample whatever
// range it was asked in. A missing sample is NaN, never zero, and never left out: the index tells the time.
//
//	g := series.GridOver(from, to, 60_000)          // one sample a minute
//	s := series.Series{Labels: series.FromMap(map[string]string{"job": "api"}), Grid: g, Values: make([]float64, g.N)}
//
// Times are Unix milliseconds, as Prometheus' are. The package computes nothing and fetches nothing.
package series

import (
	"fmt"
	"math"
)

// Grid is a run of N equally spaced times Start, Start+Step, …; Start is a multiple of Step, Step is positive.
type Grid struct {
	// Start is the first time and Step the distance, both in milliseconds.
	Start, Step int64
	// N is the number of times; 0 is an empty grid.
	N int
}

// Floor returns the largest multiple of step that is not above t; it also holds for negative t. The step must be positive.
func Floor(t, step int64) int64 {
	r := t % step
	if r < 0 {
		r += step
	}
	return t - r
}

// GridOver returns all multiples of step in [from, to], inclusive at both ends; empty when there is none.
func GridOver(from, to, step int64) Grid {
	if step <= 0 {
		panic(fmt.Sprintf("series: grid step %d: want a positive number of milliseconds", step))
	}
	first := Floor(from, step)
	if first < from {
		first += step
	}
	last := Floor(to, step)
	if last < first {
		return Grid{Start: first, Step: step}
	}
	return Grid{Start: first, Step: step, N: int((last-first)/step) + 1}
}

// At returns the time of sample i; i may lie outside the grid.
func (g Grid) At(i int) int64 { return g.Start + int64(i)*g.Step }

// End returns the first time after the grid.
func (g Grid) End() int64 { return g.At(g.N) }

// Index returns the index of time t and whether t is a time of the grid.
func (g Grid) Index(t int64) (int, bool) {
	d := t - g.Start
	if g.Step <= 0 || d < 0 || d%g.Step != 0 || d/g.Step >= int64(g.N) {
		return 0, false
	}
	return int(d / g.Step), true
}

// Slice returns the part [i, j) of the grid.
func (g Grid) Slice(i, j int) Grid {
	if i < 0 || j < i || j > g.N {
		panic(fmt.Sprintf("series: slice [%d, %d) of a grid of %d samples", i, j, g.N))
	}
	return Grid{Start: g.At(i), Step: g.Step, N: j - i}
}

// Clamp returns the indices [i, j) of the samples stamped in [from, to).
func (g Grid) Clamp(from, to int64) (i, j int) {
	at := func(t int64) int {
		d := t - g.Start
		if d <= 0 || g.Step <= 0 {
			return 0
		}
		return int(min((d+g.Step-1)/g.Step, int64(g.N)))
	}
	i, j = at(from), at(to)
	return i, max(i, j)
}

// Series is one labelled run of values. Values[i] is the sample at Grid.At(i); NaN is a gap. len(Values) == Grid.N.
// Slices share memory with their origin: a function never writes values that it received.
type Series struct {
	Labels Labels
	Grid   Grid
	Values []float64
}

// New returns a series of n gaps.
func New(labels Labels, grid Grid) Series {
	v := make([]float64, grid.N)
	for i := range v {
		v[i] = math.NaN()
	}
	return Series{Labels: labels, Grid: grid, Values: v}
}

// Slice returns the part [i, j); the values are shared.
func (s Series) Slice(i, j int) Series {
	return Series{Labels: s.Labels, Grid: s.Grid.Slice(i, j), Values: s.Values[i:j:j]}
}

// Between returns the part stamped in [from, to), cut to what the series holds; the values are shared.
func (s Series) Between(from, to int64) Series {
	i, j := s.Grid.Clamp(from, to)
	return s.Slice(i, j)
}

// Present returns how many samples are not gaps.
func (s Series) Present() int {
	n := 0
	for _, v := range s.Values {
		if v == v {
			n++
		}
	}
	return n
}

// FirstPresent returns the index of the first sample that is not a gap, -1 when all are.
func (s Series) FirstPresent() int {
	for i, v := range s.Values {
		if v == v {
			return i
		}
	}
	return -1
}

// Set is several series on one grid: every member's Grid equals Set.Grid, and the members are sorted by their labels.
type Set struct {
	Grid    Grid
	Members []Series
}
