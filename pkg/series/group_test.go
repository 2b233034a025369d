package series

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func labelled(grid Grid, x float64, pairs ...string) Series {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	s := New(FromMap(m), grid)
	for i := range s.Values {
		s.Values[i] = x
	}
	return s
}

func TestJoin(t *testing.T) {
	t.Parallel()
	g := Grid{Step: 60_000, N: 3}
	requests := Set{Grid: g, Members: []Series{labelled(g, 1, "__name__", "r", "app", "a"), labelled(g, 2, "__name__", "r", "app", "b")}}
	failures := Set{Grid: g, Members: []Series{labelled(g, 3, "__name__", "f", "app", "b")}}
	v, err := Join([]string{"requests", "failures"}, []Set{requests, failures})
	if err != nil || len(v) != 2 {
		t.Fatal(v, err)
	}
	if v[0].Labels.String() != `{app="a"}` || v[0].Values[0][0] != 1 || !math.IsNaN(v[0].Values[1][0]) || v[1].Values[1][2] != 3 {
		t.Errorf("got %+v", v)
	}
	requests.Members[1].Labels = FromMap(map[string]string{"app": "a", "zone": "x"})
	_, err = Join([]string{"requests", "failures"}, []Set{requests, failures}, "app")
	if err == nil || err.Error() != `dimension "requests" has several series with {app="a"}: aggregate them, or name more labels to group by` {
		t.Error(err)
	}
}

func TestGroupBy(t *testing.T) {
	t.Parallel()
	g := Grid{Start: 60_000, Step: 60_000, N: 2}
	set := Set{Grid: g, Members: []Series{
		labelled(g, 1, "__name__", "cpu", "app", "b"), labelled(g, 2, "__name__", "memory", "app", "b"),
		labelled(g, 3, "__name__", "cpu", "app", "a", "instance", "x"), labelled(g, 4, "__name__", "cpu", "app", "a", "instance", "y"),
	}}
	groups := set.GroupBy("app")
	if len(groups) != 2 {
		t.Fatal(groups)
	}
	if d := cmp.Diff([]string{`cpu{instance="x"}`, `cpu{instance="y"}`}, groups[0].Vector().Names); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"cpu", "memory"}, groups[1].Vector().Names); d != "" {
		t.Error(d)
	}
	// A name is the same whoever else is there.
	for k := range groups[0].Members {
		one := Group{Labels: groups[0].Labels, Set: Set{Grid: g, Members: groups[0].Members[k : k+1]}}
		if d := cmp.Diff(groups[0].Vector().Names[k:k+1], one.Vector().Names); d != "" {
			t.Error(d)
		}
	}
	if all := set.GroupBy(); len(all) != 1 || len(all[0].Members) != 4 || len(all[0].Labels) != 0 {
		t.Errorf("no labels: %+v", all)
	}
}

func TestWhere(t *testing.T) {
	t.Parallel()
	s := labelled(Grid{Start: 120_000, Step: 60_000, N: 4}, 1)
	mask := labelled(Grid{Start: 0, Step: 60_000, N: 5}, 1)
	mask.Values[3] = math.NaN()
	got := s.Where(mask)
	for i, want := range []bool{true, false, true, false} {
		if (got.Values[i] == got.Values[i]) != want || s.Values[i] != 1 {
			t.Errorf("sample %d: %v", i, got.Values[i])
		}
	}
	if whole := s.Where(Series{}); &whole.Values[0] != &s.Values[0] {
		t.Error("no mask took something out")
	}
}

func TestVectorCover(t *testing.T) {
	t.Parallel()
	v := NewVector(nil, Grid{Start: 60_000, Step: 60_000, N: 3}, "a", "b")
	v.Values[1][2] = 5
	c := v.Cover(Grid{Start: 180_000, Step: 60_000, N: 4})
	if c.Grid.N != 4 || c.Values[1][0] != 5 || !math.IsNaN(c.Values[1][3]) || len(c.Values[0]) != 4 {
		t.Errorf("got %+v", c)
	}
	if p := v.Presence(); p.Present() != 1 || p.FirstPresent() != 2 {
		t.Errorf("presence %v", p.Values)
	}
}
