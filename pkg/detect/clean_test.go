package detect

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/foreshock/foreshock/pkg/series"
)

func TestClean(t *testing.T) {
	t.Parallel()
	g := series.Grid{Step: 60_000, N: 4}
	of := func(labels map[string]string, values ...float64) series.Series {
		return series.Series{Labels: series.FromMap(labels), Grid: g, Values: values}
	}
	nan := math.NaN()
	set := series.Set{Grid: g, Members: []series.Series{
		of(map[string]string{"__name__": "x", "application": "a"}, 0, nan, 1, math.Inf(1)),
		of(map[string]string{"application": "a", "zone": "1"}, nan, 1, nan, nan),
		of(map[string]string{"application": "b"}, 1, 1, 1, 1),
	}}
	for _, c := range []struct {
		name, expr string
		labels     map[string]string
		want       []bool
		found      bool
	}{
		{"a value is true, also 0", "failures / requests < 0.2", map[string]string{"application": "a"}, []bool{true, false, true, false}, true},
		{"a bool is true where it is not 0", "failures / requests < bool 0.2", map[string]string{"application": "a", "instance": "i"}, []bool{false, false, true, false}, true},
		{"any of several is enough", "up", map[string]string{"application": "a", "zone": "1"}, []bool{true, true, true, false}, true},
		{"none belongs", "up", map[string]string{"application": "c"}, []bool{false, false, false, false}, false},
	} {
		mask, found := NewClean(c.expr, set).Mask(series.FromMap(c.labels))
		for i, want := range c.want {
			if got := mask.Values[i] == mask.Values[i]; got != want || found != c.found {
				t.Errorf("%s: sample %d is fit: %v, want %v; found %v", c.name, i, got, want, found)
			}
		}
	}
	if mask, found := (Clean{}).Mask(nil); !found || mask.Grid.Step != 0 {
		t.Error("the zero filter masks something")
	}
}

// A week in which every second hour is an incident teaches that incidents are usual, unless they are filtered out; a filter never changes what is judged.
func TestCleanBaseline(t *testing.T) {
	t.Parallel()
	v := application()
	clean := series.New(nil, v.Grid)
	bad := func(i int) bool { return i < 9*24*60 && i/60%2 == 0 }
	for i := range v.Grid.N {
		if bad(i) {
			v.Values[2][i] *= 4 // slow answers
		} else {
			clean.Values[i] = 0 // failures / requests < 0.2
		}
	}
	at := v.Grid.N - 300
	v = altered(v, at, at+30, func(x []float64) { x[2] *= 4 })
	j := JudgeJoint{Name: "kmeans", Detector: &JointKMeans{Window: 1, Clusters: 20, budget: budget{1}}, Walk: DefaultWalk(), Policy: DefaultPolicy()}
	from, to := v.Grid.At(at-600), v.Grid.At(v.Grid.N-1)
	with, err := j.Vector(context.Background(), v, clean, from, to)
	if err != nil {
		t.Fatal(err)
	}
	without, err := j.Vector(context.Background(), v, series.Series{}, from, to)
	if err != nil {
		t.Fatal(err)
	}
	if len(without.Episodes) > 0 {
		t.Errorf("what a week was full of is told: %+v", without.Episodes)
	}
	if len(with.Episodes) != 1 || with.Episodes[0].Began != v.Grid.At(at) {
		t.Errorf("with the filter: %+v, want one episode from %d", with.Episodes, v.Grid.At(at))
	}
	// The same for one series, and nothing fit at all.
	s := v.Dimension(2)
	one := Judge{Name: "mad", Detector: &MAD{budget: budget{Budget: 1}}, Walk: DefaultWalk(), Policy: DefaultPolicy()}
	a, err := one.Filtered(context.Background(), s, clean, from, to)
	if err != nil {
		t.Fatal(err)
	}
	b, err := one.Series(context.Background(), s, from, to)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Episodes) != 1 || len(b.Episodes) != 0 {
		t.Errorf("mad: %d episodes with the filter, %d without", len(a.Episodes), len(b.Episodes))
	}
	none, err := one.Filtered(context.Background(), s, series.New(nil, s.Grid), from, to)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(none.State, func(st State) bool { return st != TooShort }) {
		t.Errorf("nothing is fit for training, the states are %v", none.State[:3])
	}
}
