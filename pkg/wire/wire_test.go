package wire

import (
	"math"
	"slices"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	data := Writer{}.Text("level").Floats(1.5, math.Inf(-1)).Slice([]float64{1, 2, 3}).Slice(nil).Bytes([]byte{7}).Ints(-4)
	r := NewReader(data)
	if s := r.Text(); s != "level" {
		t.Errorf("text %q", s)
	}
	if a, b := r.Float(), r.Float(); a != 1.5 || !math.IsInf(b, -1) {
		t.Errorf("floats %v, %v", a, b)
	}
	if xs := r.Slice(); !slices.Equal(xs, []float64{1, 2, 3}) {
		t.Errorf("slice %v", xs)
	}
	if xs := r.Slice(); xs != nil {
		t.Errorf("no slice: %v", xs)
	}
	if b := r.Bytes(); !slices.Equal(b, []byte{7}) {
		t.Errorf("bytes %v", b)
	}
	if x := r.Int(); x != -4 {
		t.Errorf("int %v", x)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// Whatever is cut off is an error, and what is absurd allocates nothing.
func TestCorrupt(t *testing.T) {
	t.Parallel()
	data := Writer{}.Text("level").Slice([]float64{1, 2, 3})
	for n := range data {
		r := NewReader(data[:n])
		_, _ = r.Text(), r.Slice()
		if r.Close() == nil {
			t.Errorf("%d of %d bytes were taken", n, len(data))
		}
	}
	r := NewReader(append(slices.Clone(data), 0))
	_, _ = r.Text(), r.Slice()
	if r.Close() == nil {
		t.Error("a byte too many was taken")
	}
	for _, n := range []int64{-1, math.MaxInt64, math.MinInt64} {
		r := NewReader(Writer{}.Ints(n))
		if xs := r.Slice(); xs != nil || r.Close() == nil {
			t.Errorf("a slice of %d numbers was taken", n)
		}
	}
}
