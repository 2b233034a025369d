// Package wire writes fitted models as bytes and reads them back: little-endian numbers, lengths before slices and texts. The reader survives any input: what is
// cut off or absurd is an error, never a panic and never a large allocation.
//
//	data := wire.Writer{}.Text("level").Floats(center, distance)
//	r := wire.NewReader(data)
//	name, center, distance := r.Text(), r.Float(), r.Float()
//	err := r.Close()
//
// It knows nothing of what is written: a layout that changes takes a new name.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrCorrupt is wrapped by every error of a Reader.
var ErrCorrupt = errors.New("not a model that this version wrote")

// Writer appends to a byte slice; every method returns the longer one.
type Writer []byte

// Ints writes integers.
func (w Writer) Ints(xs ...int64) Writer {
	for _, x := range xs {
		w = binary.LittleEndian.AppendUint64(w, uint64(x))
	}
	return w
}

// Floats writes numbers, bit for bit.
func (w Writer) Floats(xs ...float64) Writer {
	for _, x := range xs {
		w = binary.LittleEndian.AppendUint64(w, math.Float64bits(x))
	}
	return w
}

// Slice writes the length and the numbers.
func (w Writer) Slice(xs []float64) Writer { return w.Ints(int64(len(xs))).Floats(xs...) }

// Text writes the length and the bytes.
func (w Writer) Text(s string) Writer { return append(w.Ints(int64(len(s))), s...) }

// Bytes writes the length and the bytes.
func (w Writer) Bytes(b []byte) Writer { return append(w.Ints(int64(len(b))), b...) }

// Reader takes off what a Writer wrote, in the same order; after an error everything it returns is zero.
type Reader struct {
	rest []byte
	err  error
}

// NewReader reads data, which it does not change.
func NewReader(data []byte) *Reader { return &Reader{rest: data} }

// Fail marks what was read as impossible.
func (r *Reader) Fail() { r.rest, r.err = nil, ErrCorrupt }

// Close returns an error if something was missing, impossible, or left over.
func (r *Reader) Close() error {
	if r.err == nil && len(r.rest) > 0 {
		return fmt.Errorf("%d bytes left over: %w", len(r.rest), ErrCorrupt)
	}
	return r.err
}

// Int reads an integer.
func (r *Reader) Int() int64 {
	if len(r.rest) < 8 {
		r.Fail()
		return 0
	}
	x := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return int64(x)
}

// Float reads a number.
func (r *Reader) Float() float64 { return math.Float64frombits(uint64(r.Int())) }

// Slice reads numbers that Slice wrote; nil for none.
func (r *Reader) Slice() []float64 {
	n := r.Int()
	if n < 0 || n > int64(len(r.rest)/8) {
		r.Fail()
		return nil
	}
	if n == 0 {
		return nil
	}
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = r.Float()
	}
	return xs
}

// Text reads a text.
func (r *Reader) Text() string { return string(r.Bytes()) }

// Bytes reads bytes, which still belong to the data.
func (r *Reader) Bytes() []byte {
	n := r.Int()
	if n < 0 || n > int64(len(r.rest)) {
		r.Fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}
