package main

import "math"

// rows is what a file holds, in its order: for each row the time, the value columns and the text of the timestamp. It grows by chunks, so
// that ten million rows are never copied, and costs 16 bytes a row and the text.
type rows struct {
	width  int // value columns
	n      int
	chunks []*chunk
}

const chunkRows = 1 << 16

type chunk struct {
	n      int
	times  [chunkRows]int64
	values []float64 // width per row
	text   []byte
	ends   [chunkRows]uint32 // of the text of each row
}

func (r *rows) add(t int64, stamp []byte, values []float64) {
	if r.n%chunkRows == 0 {
		r.chunks = append(r.chunks, &chunk{values: make([]float64, 0, r.width*chunkRows)})
	}
	c := r.chunks[len(r.chunks)-1]
	c.times[c.n] = t
	c.values = append(c.values, values...)
	c.text = append(c.text, stamp...)
	c.ends[c.n] = uint32(len(c.text))
	c.n++
	r.n++
}

func (r *rows) at(i int) (*chunk, int) { return r.chunks[i/chunkRows], i % chunkRows }

func (r *rows) time(i int) int64 {
	c, k := r.at(i)
	return c.times[k]
}

// value returns the sample of row i in that value column.
func (r *rows) value(i, column int) float64 {
	c, k := r.at(i)
	return c.values[k*r.width+column]
}

// stamp returns the text of the timestamp of row i; it belongs to rows.
func (r *rows) stamp(i int) []byte {
	c, k := r.at(i)
	from := uint32(0)
	if k > 0 {
		from = c.ends[k-1]
	}
	return c.text[from:c.ends[k]]
}

// gap reports whether no value column of row i has a sample.
func (r *rows) gap(i int) bool {
	for k := range r.width {
		if !math.IsNaN(r.value(i, k)) {
			return false
		}
	}
	return true
}
