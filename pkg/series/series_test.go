package series

import (
	"math"
	"testing"
	"testing/quick"

	"github.com/google/go-cmp/cmp"
)

func TestGridOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to, step int64
		want           Grid
	}{
		{0, 100, 50, Grid{0, 50, 3}},
		{1, 99, 50, Grid{50, 50, 1}},
		{1, 49, 50, Grid{50, 50, 0}},
		{-75, -25, 50, Grid{-50, 50, 1}},
		{100, 0, 50, Grid{100, 50, 0}},
	} {
		if got := GridOver(c.from, c.to, c.step); got != c.want {
			t.Errorf("GridOver(%d, %d, %d) = %v, want %v", c.from, c.to, c.step, got, c.want)
		}
	}
}

// A grid holds exactly the multiples of its step that lie in the range, and Index and At are inverse.
func TestGridProperty(t *testing.T) {
	t.Parallel()
	check := func(from int32, length uint16, step uint8) bool {
		s := int64(step) + 1
		a, b := int64(from), int64(from)+int64(length)
		g := GridOver(a, b, s)
		n := 0
		for x := a; x <= b; x++ {
			i, ok := g.Index(x)
			if ok != (Floor(x, s) == x) || (ok && g.At(i) != x) {
				return false
			}
			if ok {
				n++
			}
		}
		i, j := g.Clamp(a, b+1)
		return n == g.N && i == 0 && j == g.N
	}
	if err := quick.Check(check, &quick.Config{MaxCount: 50}); err != nil {
		t.Error(err)
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	s := Series{Grid: Grid{Start: 100, Step: 10, N: 5}, Values: []float64{0, 1, 2, math.NaN(), 4}}
	for _, c := range []struct {
		from, to int64
		want     []float64
	}{
		{100, 150, s.Values}, {0, 1000, s.Values}, {101, 120, []float64{1}}, {101, 121, []float64{1, 2}}, {150, 200, []float64{}}, {0, 100, []float64{}}, {120, 110, []float64{}},
	} {
		got := s.Between(c.from, c.to)
		if d := cmp.Diff(c.want, append([]float64{}, got.Values...), cmp.Comparer(func(a, b float64) bool { return a == b || a != a && b != b })); d != "" || got.Grid.N != len(c.want) {
			t.Errorf("Between(%d, %d): -want +got\n%s", c.from, c.to, d)
		}
	}
	if s.Present() != 4 || s.FirstPresent() != 0 {
		t.Errorf("%d present, first %d", s.Present(), s.FirstPresent())
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	ls := FromMap(map[string]string{"job": "api", "__name__": "up", "instance": `a"b`, "empty": ""})
	if got, want := ls.String(), `up{instance="a\"b", job="api"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := ls.Without("__name__", "instance").String(); got != `{job="api"}` {
		t.Errorf("got %s", got)
	}
	// The hash places the anchors of a series: it must be the same in every process and version. The value is FNV-1a computed independently (Python).
	if got, want := ls.Hash(), uint64(0x40dab680d1914af4); got != want {
		t.Errorf("hash %#x, want %#x", got, want)
	}
	if (Labels{}).String() != "{}" || ls.Compare(ls) != 0 || ls.Compare(ls[:1]) <= 0 {
		t.Error("empty labels or order")
	}
}
