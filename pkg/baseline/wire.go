package baseline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// kind is the first byte of a written model: which baseline, and which version of its layout. A changed layout takes a new number.
type kind byte

const (
	kindLevel    kind = 1
	kindSeasonal kind = 2
)

// errCorrupt is wrapped by every error of Unmarshal.
var errCorrupt = errors.New("not a model that this version wrote")

// Unmarshal reads what a model's MarshalBinary wrote.
func Unmarshal(data []byte) (Model, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("no bytes: %w", errCorrupt)
	}
	r := &reader{rest: data[1:]}
	var m Model
	switch kind(data[0]) {
	case kindLevel:
		m = level{center: r.float(), distance: r.float()}
	case kindSeasonal:
		m = readSeasonal(r)
	default:
		return nil, fmt.Errorf("kind %d: %w", data[0], errCorrupt)
	}
	if r.err != nil || len(r.rest) > 0 {
		return nil, fmt.Errorf("kind %d, %d bytes: %w", data[0], len(data), errCorrupt)
	}
	return m, nil
}

// writer appends little-endian numbers.
type writer []byte

func (w writer) kind(k kind) writer { return append(w, byte(k)) }

func (w writer) ints(xs ...int64) writer {
	for _, x := range xs {
		w = binary.LittleEndian.AppendUint64(w, uint64(x))
	}
	return w
}

func (w writer) floats(xs ...float64) writer {
	for _, x := range xs {
		w = binary.LittleEndian.AppendUint64(w, math.Float64bits(x))
	}
	return w
}

// slice writes the length first.
func (w writer) slice(xs []float64) writer { return w.ints(int64(len(xs))).floats(xs...) }

func (w writer) text(s string) writer { return append(w.ints(int64(len(s))), s...) }

// reader takes them off again; after an error everything is zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) int() int64 {
	if len(r.rest) < 8 {
		r.rest, r.err = nil, errCorrupt
		return 0
	}
	x := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return int64(x)
}

func (r *reader) float() float64 { return math.Float64frombits(uint64(r.int())) }

func (r *reader) slice() []float64 {
	n := r.int()
	if n < 0 || n > int64(len(r.rest)/8) {
		r.rest, r.err = nil, errCorrupt
		return nil
	}
	if n == 0 {
		return nil
	}
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = r.float()
	}
	return xs
}

func (r *reader) text() string {
	n := r.int()
	if n < 0 || n > int64(len(r.rest)) {
		r.rest, r.err = nil, errCorrupt
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}
