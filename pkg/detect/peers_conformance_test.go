package detect

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// fleet is twelve days of six machines that share the load, one of which is larger.
func fleet() Fleet {
	rng := rand.New(rand.NewPCG(23, 29))
	g := series.Grid{Start: fixtureStart, Step: 60_000, N: 12 * 24 * 60}
	f := Fleet{Labels: series.FromMap(map[string]string{"job": "shop"}), Set: series.Set{Grid: g}}
	for k := range 6 {
		f.Members = append(f.Members, series.New(series.FromMap(map[string]string{"job": "shop", "instance": fmt.Sprintf("shop-%d", k)}), g))
	}
	for i := range g.N {
		load := 100 + 50*wave(g.At(i)) + 5*rng.NormFloat64()
		for k := range f.Members {
			f.Members[k].Values[i] = load + 3*rng.NormFloat64()
			if k == 5 {
				f.Members[k].Values[i] += 40
			}
		}
	}
	return f
}

// Every registered peer detector keeps the promises of the house.
func TestPeersConformance(t *testing.T) {
	t.Parallel()
	for _, name := range PeerDetectors.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := PeerDetectors.New(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			f := fleet()
			c := peersConformance{name: name, d: d, f: f, split: f.Grid.N * 8 / 10}
			t.Run("pure", c.pure)
			t.Run("causal", c.causal)
			t.Run("marshalled", c.marshalled)
			t.Run("differs", c.differs)
			t.Run("alone", c.alone)
			t.Run("zoom", c.zoom)
			t.Run("constant", c.constant)
			t.Run("short", c.short)
		})
	}
}

type peersConformance struct {
	name  string
	d     Peers
	f     Fleet
	split int
}

func (c peersConformance) fit(t *testing.T, set series.Set) PeersModel {
	t.Helper()
	p := DefaultPolicy()
	m, err := c.d.Fit(PeersTrain{Labels: c.f.Labels, Set: set, N: p.N, M: p.M})
	if err != nil {
		t.Fatalf("fit: %v", err)
	}
	return m
}

func compared(t *testing.T, m PeersModel, set series.Set, warmup int) []Result {
	t.Helper()
	all, err := m.Compare(set, warmup)
	if err != nil {
		t.Fatalf("compare: %v", err)
	}
	if len(all) != len(set.Members) {
		t.Fatalf("%d results for %d members", len(all), len(set.Members))
	}
	for k, r := range all {
		for i, x := range r.Score {
			if (r.State[i] == OK) != (x == x) || x < 0 || math.IsInf(x, 0) {
				t.Fatalf("member %d sample %d: score %v in state %v", k, i, x, r.State[i])
			}
		}
	}
	return all
}

func (c peersConformance) pure(t *testing.T) {
	var before [][]float64
	for _, m := range c.f.Members {
		before = append(before, slices.Clone(m.Values))
	}
	rest := c.f.Slice(c.split, c.f.Grid.N)
	one, two := compared(t, c.fit(t, c.f.Slice(0, c.split)), rest, 10), compared(t, c.fit(t, c.f.Slice(0, c.split)), rest, 10)
	if d := cmp.Diff(one, two, sameBits); d != "" {
		t.Errorf("two runs differ:\n%s", d)
	}
	for k, m := range c.f.Members {
		if d := cmp.Diff(before[k], m.Values, sameBits); d != "" {
			t.Errorf("the input was written:\n%s", d)
		}
	}
}

func (c peersConformance) causal(t *testing.T) {
	m := c.fit(t, c.f.Slice(0, c.split))
	full := compared(t, m, c.f.Slice(c.split-4, c.f.Grid.N), 4)
	for _, n := range []int{1, 2, 700} {
		part := compared(t, m, c.f.Slice(c.split-4, c.split+n), 4)
		for k := range part {
			if d := cmp.Diff(full[k].Score[:n], part[k].Score, sameBits); d != "" {
				t.Fatalf("the first %d scores depend on what follows:\n%s", n, d)
			}
		}
	}
}

func (c peersConformance) marshalled(t *testing.T) {
	m := c.fit(t, c.f.Slice(0, c.split))
	raw, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	again, err := UnmarshalPeers(c.name, raw)
	if err != nil {
		t.Fatal(err)
	}
	rest := c.f.Slice(c.split, c.f.Grid.N)
	if d := cmp.Diff(compared(t, m, rest, 0), compared(t, again, rest, 0), sameBits); d != "" {
		t.Errorf("a model read back judges otherwise:\n%s", d)
	}
	for cut := range raw {
		if _, err := UnmarshalPeers(c.name, raw[:cut]); err == nil {
			t.Errorf("%d of %d bytes were taken for a model", cut, len(raw))
		}
	}
}

// with returns the fleet with samples [i, j) of a member changed.
func (f Fleet) with(member, i, j int, by float64) Fleet {
	out := f
	out.Members = slices.Clone(f.Members)
	out.Members[member].Values = slices.Clone(f.Members[member].Values)
	for ; i < j; i++ {
		out.Members[member].Values[i] += by
	}
	return out
}

// A member that runs off is found, and only that one; what all do is nobody's fault, and what one always did neither.
func (c peersConformance) differs(t *testing.T) {
	at := c.f.Grid.N - 500
	f := c.f.with(2, at, at+30, 40)
	for k := range f.Members {
		f = f.with(k, at+200, at+230, 300)
	}
	found, err := c.judge().Fleet(context.Background(), f, f.Grid.At(at-100), f.Grid.At(f.Grid.N-1))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range found {
		switch {
		case k == 2:
			if len(v.Episodes) != 1 || v.Episodes[0].Began < f.Grid.At(at) || v.Episodes[0].Confirmed > f.Grid.At(at+8) || v.Episodes[0].Direction != "up" {
				t.Errorf("the member that runs off: %+v", v.Episodes)
			}
		case slices.ContainsFunc(v.Episodes, func(e Episode) bool { return e.Peak > 2 }): // a small one is within the budget of a week
			t.Errorf("member %d does as the others: %+v", k, v.Episodes)
		}
	}
	sharper, err := PeerDetectors.New(c.name, registry.FromStrings(map[string]string{"sensitivity": "4"}))
	if err != nil {
		t.Fatal(err)
	}
	p := PeersTrain{Set: f.Slice(0, c.split), N: 3, M: 5}
	m, err := sharper.Fit(p)
	if err != nil {
		t.Fatal(err)
	}
	part := f.Slice(at, at+30)
	if a, b := compared(t, m, part, 10)[2].Score[5], compared(t, c.fit(t, p.Set), part, 10)[2].Score[5]; math.Abs(a-4*b) > 1e-9*a {
		t.Errorf("at four times the sensitivity the score is %v, was %v", a, b)
	}
}

// Of two members nobody can tell which is wrong.
func (c peersConformance) alone(t *testing.T) {
	f := c.f
	f.Members = slices.Clone(c.f.Members)
	for k := 2; k < 6; k++ {
		f.Members[k].Values = slices.Clone(f.Members[k].Values)
		for i := c.split + 100; i < f.Grid.N; i++ {
			f.Members[k].Values[i] = math.NaN()
		}
	}
	all := compared(t, c.fit(t, f.Slice(0, c.split)), f.Slice(c.split, f.Grid.N), 50)
	for k, want := range []State{Alone, Alone, Gap, Gap} {
		if got := all[k].State[200]; got != want || all[k].State[0] != OK {
			t.Errorf("member %d is in state %v, then %v, want ok, then %v", k, all[k].State[0], got, want)
		}
	}
}

func (c peersConformance) judge() JudgePeers {
	w := DefaultWalk()
	w.MinTrain = w.Train - 2*registry.Day/24
	return JudgePeers{Name: c.name, Detector: c.d, Walk: w, Policy: DefaultPolicy(), Fits: NewFits(16 << 20)}
}

func (c peersConformance) zoom(t *testing.T) {
	j, g := c.judge(), c.f.Grid
	f := c.f.with(1, 15_000, 15_040, -60)
	all, err := j.Fleet(context.Background(), f, g.Start, g.At(g.N-1))
	if err != nil {
		t.Fatal(err)
	}
	if len(all[1].Episodes) == 0 {
		t.Fatal("no episode")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		from := g.Start + rng.Int64N(int64(g.N-2)*g.Step)
		to := from + rng.Int64N(g.At(g.N-1)-from)
		fetch := j.Walk.Fetch(from, to, j.Policy)
		cut := f
		cut.Set = f.Between(fetch.Start, fetch.End())
		part, err := j.Fleet(context.Background(), cut, from, to)
		if err != nil {
			t.Fatal(err)
		}
		for m, v := range part {
			for i, s := range v.Score {
				k, _ := g.Index(v.Series.Grid.At(i))
				if !sameFloat(s, all[m].Score[k]) || v.Anomalous[i] != all[m].Anomalous[k] || v.State[i] != all[m].State[k] {
					t.Fatalf("member %d, [%d, %d] at %d: score %v, state %v; over all: %v, %v", m, from, to, g.At(k), s, v.State[i], all[m].Score[k], all[m].State[k])
				}
			}
		}
	}
}

// In a fleet whose members never differed one that does is told, and nobody else.
func (c peersConformance) constant(t *testing.T) {
	f := c.f
	f.Members = slices.Clone(c.f.Members)
	for k := range f.Members {
		f.Members[k].Values = slices.Repeat([]float64{7}, f.Grid.N)
	}
	at := f.Grid.N - 100
	f = f.with(3, at, at+50, 7)
	found, err := c.judge().Fleet(context.Background(), f, f.Grid.At(at-1000), f.Grid.At(f.Grid.N-1))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range found {
		if want := k == 3; (len(v.Episodes) == 1) != want {
			t.Errorf("member %d has %d episodes", k, len(v.Episodes))
		}
	}
}

func (c peersConformance) short(t *testing.T) {
	for _, n := range []int{0, 1, 30} {
		if _, err := c.d.Fit(PeersTrain{Set: c.f.Slice(0, n)}); !errors.Is(err, ErrTooShort) {
			t.Errorf("fit of %d samples: %v, want ErrTooShort", n, err)
		}
	}
	two := series.Set{Grid: c.f.Grid, Members: c.f.Members[:2]}
	if _, err := c.d.Fit(PeersTrain{Set: two}); !errors.Is(err, ErrTooShort) {
		t.Errorf("fit of two members: %v, want ErrTooShort", err)
	}
}

// Fit and Compare never panic, whatever the data.
func FuzzPeers(f *testing.F) {
	for i := range PeerDetectors.Names() {
		f.Add(uint8(i), uint64(1), 1000, uint8(5), 1.0, 0.1, true)
		f.Add(uint8(i), uint64(2), 70, uint8(3), 0.0, 0.0, false)
		f.Add(uint8(i), uint64(3), 300, uint8(9), math.Inf(1), 1e300, false)
		f.Add(uint8(i), uint64(4), 300, uint8(4), -1e-300, math.NaN(), true)
	}
	f.Fuzz(func(t *testing.T, member uint8, seed uint64, n int, members uint8, level, noise float64, holes bool) {
		names := PeerDetectors.Names()
		d, err := PeerDetectors.New(names[int(member)%len(names)], nil)
		if err != nil {
			t.Fatal(err)
		}
		n = min(max(n, 0), 2000)
		rng := rand.New(rand.NewPCG(seed, 0))
		set := series.Set{Grid: series.Grid{Start: 60_000 * int64(rng.IntN(1e6)), Step: 60_000, N: n}}
		for k := range int(members % 12) {
			s := series.New(series.FromMap(map[string]string{"instance": fmt.Sprint(k)}), set.Grid)
			for i := range s.Values {
				s.Values[i] = level + noise*rng.NormFloat64()
				if holes && rng.IntN(4) == 0 {
					s.Values[i] = math.NaN()
				}
				if rng.IntN(300) == 0 {
					s.Values[i] = []float64{math.Inf(1), math.MaxFloat64, -math.MaxFloat64, 0, math.SmallestNonzeroFloat64, 1e300, -1e300}[rng.IntN(7)]
				}
			}
			set.Members = append(set.Members, s)
		}
		m, err := d.Fit(PeersTrain{Set: set, N: 3, M: 5})
		if err != nil {
			return
		}
		compared(t, m, set, min(n, 10))
	})
}
