package series

import "math"

// Vector is several series on one grid read as one: a point for each time, with a dimension for each series. Values[d][i] is dimension d at
// Grid.At(i), NaN where it is missing. len(Values) == len(Names), and every row has Grid.N values. Slices share memory with their origin.
type Vector struct {
	// Labels are what the dimensions have in common: they identify the vector.
	Labels Labels
	Grid   Grid
	// Names tell the dimensions apart; their order is that of Values.
	Names  []string
	Values [][]float64
}

// NewVector returns a vector of gaps.
func NewVector(labels Labels, grid Grid, names ...string) Vector {
	v := Vector{Labels: labels, Grid: grid, Names: names, Values: make([][]float64, len(names))}
	for d := range v.Values {
		v.Values[d] = New(nil, grid).Values
	}
	return v
}

// Slice returns the part [i, j); the values are shared.
func (v Vector) Slice(i, j int) Vector {
	out := Vector{Labels: v.Labels, Grid: v.Grid.Slice(i, j), Names: v.Names, Values: make([][]float64, len(v.Values))}
	for d, x := range v.Values {
		out.Values[d] = x[i:j:j]
	}
	return out
}

// Between returns the part stamped in [from, to), cut to what the vector holds; the values are shared.
func (v Vector) Between(from, to int64) Vector {
	i, j := v.Grid.Clamp(from, to)
	return v.Slice(i, j)
}

// Cover returns the vector on exactly that grid of the same step, gaps where it has nothing. The values are shared where the vector holds all of it.
func (v Vector) Cover(grid Grid) Vector {
	if i, ok := v.Grid.Index(grid.Start); ok && i+grid.N <= v.Grid.N {
		return v.Slice(i, i+grid.N)
	}
	out := NewVector(v.Labels, grid, v.Names...)
	i, j := v.Grid.Clamp(grid.Start, grid.End())
	if k, ok := grid.Index(v.Grid.At(i)); ok && i < j {
		for d, x := range v.Values {
			copy(out.Values[d][k:], x[i:j])
		}
	}
	return out
}

// Pick returns the vector of the dimensions with the given indices, in that order; the values are shared.
func (v Vector) Pick(dimensions []int) Vector {
	out := Vector{Labels: v.Labels, Grid: v.Grid, Names: make([]string, len(dimensions)), Values: make([][]float64, len(dimensions))}
	for k, d := range dimensions {
		out.Names[k], out.Values[k] = v.Names[d], v.Values[d]
	}
	return out
}

// Dimension returns one dimension as a series with the vector's labels; the values are shared.
func (v Vector) Dimension(d int) Series {
	return Series{Labels: v.Labels, Grid: v.Grid, Values: v.Values[d]}
}

// Presence returns a series that is 1 where at least one dimension has a sample, and a gap elsewhere.
func (v Vector) Presence() Series { return v.Set().Presence(v.Labels) }

// Set returns the dimensions as a set, in their order; the values are shared.
func (v Vector) Set() Set {
	out := Set{Grid: v.Grid, Members: make([]Series, len(v.Values))}
	for d := range out.Members {
		out.Members[d] = v.Dimension(d)
	}
	return out
}

// Presence returns a series that is 1 where at least one member has a sample, and a gap elsewhere.
func (s Set) Presence(labels Labels) Series {
	p := New(labels, s.Grid)
	for _, m := range s.Members {
		for i, x := range m.Values {
			if x == x {
				p.Values[i] = 1
			}
		}
	}
	return p
}

// Slice returns the part [i, j) of every member; the values are shared.
func (s Set) Slice(i, j int) Set {
	out := Set{Grid: s.Grid.Slice(i, j), Members: make([]Series, len(s.Members))}
	for k, m := range s.Members {
		out.Members[k] = m.Slice(i, j)
	}
	return out
}

// Between returns the part of every member stamped in [from, to), cut to what the set holds; the values are shared.
func (s Set) Between(from, to int64) Set {
	i, j := s.Grid.Clamp(from, to)
	return s.Slice(i, j)
}

// Where returns the series with a gap wherever the mask has one: what is left is fit for a purpose. A mask without a grid (the zero Series) leaves all of it.
// Both lie on multiples of the same step. The values are not shared where something is taken out.
func (s Series) Where(mask Series) Series {
	if mask.Grid.Step == 0 {
		return s
	}
	out := New(s.Labels, s.Grid)
	shift := 0
	if s.Grid.N > 0 {
		shift = int((s.Grid.Start - mask.Grid.Start) / s.Grid.Step)
	}
	for i, x := range s.Values {
		if k := i + shift; k >= 0 && k < len(mask.Values) && mask.Values[k] == mask.Values[k] {
			out.Values[i] = x
		} else {
			out.Values[i] = math.NaN()
		}
	}
	return out
}
