package detect

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// application is twelve days of an application at one point a minute: requests with a day, a load that follows them, and a response time that follows the load.
func application() series.Vector {
	rng := rand.New(rand.NewPCG(17, 19))
	g := series.Grid{Start: fixtureStart, Step: 60_000, N: 12 * 24 * 60}
	v := series.NewVector(series.FromMap(map[string]string{"application": "shop"}), g, "load", "requests", "response_time")
	for i := range g.N {
		requests := 200 + 120*wave(g.At(i)) + 8*rng.NormFloat64()
		load := 0.2 + 0.002*requests + 0.01*rng.NormFloat64()
		v.Values[0][i], v.Values[1][i], v.Values[2][i] = load, requests, 0.05+0.2*load+0.004*rng.NormFloat64()
	}
	return v
}

// altered returns a copy of v with points [i, j) changed.
func altered(v series.Vector, i, j int, change func(x []float64)) series.Vector {
	out := v
	out.Values = make([][]float64, len(v.Values))
	for d := range v.Values {
		out.Values[d] = slices.Clone(v.Values[d])
	}
	x := make([]float64, len(v.Values))
	for ; i < j; i++ {
		for d := range x {
			x[d] = out.Values[d][i]
		}
		change(x)
		for d := range x {
			out.Values[d][i] = x[d]
		}
	}
	return out
}

// Every registered joint detector keeps the promises of the house.
func TestJointConformance(t *testing.T) {
	t.Parallel()
	v := application()
	for _, name := range Joints.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := Joints.New(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			c := jointConformance{name: name, d: d, v: v, split: v.Grid.N * 8 / 10}
			t.Run("pure", c.pure)
			t.Run("gaps", c.gaps)
			t.Run("causal", c.causal)
			t.Run("marshalled", c.marshalled)
			t.Run("breaks", c.breaks)
			t.Run("zoom", c.zoom)
			t.Run("constant", c.constant)
			t.Run("short", c.short)
		})
	}
}

type jointConformance struct {
	name  string
	d     Joint
	v     series.Vector
	split int
}

func (c jointConformance) fit(t *testing.T, v series.Vector) JointModel {
	t.Helper()
	p := DefaultPolicy()
	m, err := c.d.Fit(JointTrain{Vector: v, N: p.N, M: p.M})
	if err != nil {
		t.Fatalf("fit: %v", err)
	}
	return m
}

func jointScore(t *testing.T, m JointModel, v series.Vector, warmup int) JointResult {
	t.Helper()
	r, err := m.Score(v, warmup)
	if err != nil {
		t.Fatalf("score: %v", err)
	}
	n := v.Grid.N - warmup
	if len(r.Score) != n || len(r.Break) != n || len(r.State) != n || len(r.Contributions) != len(v.Values) || len(r.Expected) != len(v.Values) {
		t.Fatalf("score of %d points: %d scores, %d kinds, %d states, %d contributions", n, len(r.Score), len(r.Break), len(r.State), len(r.Contributions))
	}
	for i, score := range r.Score {
		sum := 0.0
		for _, x := range r.Contributions {
			sum += x[i]
		}
		if (score != score) != (sum != sum) || math.Abs(sum-score) > 1e-9*(1+math.Abs(score)) {
			t.Fatalf("point %d: contributions sum to %v, the score is %v", i, sum, score)
		}
		if (r.State[i] == OK) != (score == score) || (score >= 1) != (r.Break[i] != NoBreak) {
			t.Fatalf("point %d: score %v in state %v, kind %v", i, score, r.State[i], r.Break[i])
		}
	}
	return r
}

func (c jointConformance) pure(t *testing.T) {
	before := altered(c.v, 0, 0, nil).Values
	train, w := c.v.Slice(0, c.split), contextOf(c.d, c.v.Grid.Step)
	window := c.v.Slice(c.split-w, c.v.Grid.N)
	one, two := jointScore(t, c.fit(t, train), window, w), jointScore(t, c.fit(t, train), window, w)
	if d := cmp.Diff(one, two, sameBits); d != "" {
		t.Errorf("two runs differ:\n%s", d)
	}
	if d := cmp.Diff(before, c.v.Values, sameBits); d != "" {
		t.Errorf("the input was written:\n%s", d)
	}
}

// A point without one of its dimensions is judged by the others; one that lacks most of them is a gap.
func (c jointConformance) gaps(t *testing.T) {
	m := c.fit(t, c.v.Slice(0, c.split))
	holed := altered(c.v, 0, c.v.Grid.N, func([]float64) {})
	for i := range holed.Grid.N {
		switch i % 39 {
		case 0:
			holed.Values[1][i] = math.NaN()
		case 13:
			holed.Values[0][i], holed.Values[1][i] = math.NaN(), math.Inf(1)
		case 26:
			for d := range holed.Values {
				holed.Values[d][i] = math.NaN()
			}
		}
	}
	w := contextOf(c.d, c.v.Grid.Step)
	part := holed.Slice(c.split-w, holed.Grid.N)
	r := jointScore(t, m, part, w)
	high := 0
	for i := range r.Score {
		k := c.split + i
		if gap := k%39 == 13 || k%39 == 26; gap != (r.State[i] == Gap) || gap != (r.Score[i] != r.Score[i]) {
			t.Fatalf("point %d: score %v, state %v", k, r.Score[i], r.State[i])
		}
		if k%39 == 0 && r.Score[i] >= 1 {
			high++
		}
	}
	if high > 5 {
		t.Errorf("%d points are abnormal for want of one dimension", high)
	}
	c.fit(t, holed.Slice(0, c.split))
}

func (c jointConformance) causal(t *testing.T) {
	m := c.fit(t, c.v.Slice(0, c.split))
	w := contextOf(c.d, c.v.Grid.Step)
	full := jointScore(t, m, c.v.Slice(c.split-w, c.v.Grid.N), w)
	for _, n := range []int{1, 2, 700, c.v.Grid.N - c.split - 1} {
		part := jointScore(t, m, c.v.Slice(c.split-w, c.split+n), w)
		if d := cmp.Diff(full.Score[:n], part.Score, sameBits); d != "" {
			t.Fatalf("the first %d scores depend on what follows:\n%s", n, d)
		}
	}
}

func (c jointConformance) marshalled(t *testing.T) {
	m := c.fit(t, c.v.Slice(0, c.split))
	raw, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	again, err := UnmarshalJoint(c.name, raw)
	if err != nil {
		t.Fatal(err)
	}
	w := contextOf(c.d, c.v.Grid.Step)
	window := c.v.Slice(c.split-w, c.v.Grid.N)
	if d := cmp.Diff(jointScore(t, m, window, w), jointScore(t, again, window, w), sameBits); d != "" {
		t.Errorf("a model read back judges otherwise:\n%s", d)
	}
	for cut := 0; cut < len(raw); cut += 1 + cut/64 {
		if _, err := UnmarshalJoint(c.name, raw[:cut]); err == nil {
			t.Errorf("%d of %d bytes were taken for a model", cut, len(raw))
		}
	}
}

// incidents are what happens to the application at noon of the last day, when all is high: what is abnormal, which kind, and which dimension has it.
var incidents = []struct {
	name    string
	want    Break
	leading string
	change  func(x []float64)
}{
	// The load of the night at the requests of noon: either is usual.
	{"correlation", Correlation, "", func(x []float64) { x[0] = 0.4 }},
	// Twice the requests, and everything follows as it always does.
	{"together", Together, "", func(x []float64) {
		x[1] *= 2
		x[0] = 0.2 + 0.002*x[1]
		x[2] = 0.05 + 0.2*x[0]
	}},
	{"apart", Apart, "response_time", func(x []float64) { x[2] *= 4 }},
}

func (c jointConformance) breaks(t *testing.T) {
	m := c.fit(t, c.v.Slice(0, c.split))
	w := contextOf(c.d, c.v.Grid.Step)
	noon := 11*24*60 + 360 - int(fixtureStart%86_400_000/60_000)
	for _, in := range incidents {
		if !slices.Contains(c.d.Catches(), in.want) {
			continue
		}
		v := altered(c.v, noon, noon+12, in.change)
		r := jointScore(t, m, v.Slice(c.split-w, v.Grid.N), w)
		inside, outside := 0, 0.0
		best := math.Inf(1)
		for i, x := range r.Score {
			k := c.split + i
			switch {
			case k >= noon+3 && k < noon+12:
				best = min(best, x)
				if r.Break[i] == in.want {
					inside++
				}
				for d, name := range v.Names {
					if name == in.leading && r.Contributions[d][i] < x/2 {
						t.Errorf("%s: %s has %.2f of a score of %.2f", in.name, name, r.Contributions[d][i], x)
					}
				}
			case k < noon || k >= noon+12+w:
				outside = max(outside, x)
			}
		}
		if inside < 8 || best < outside {
			t.Errorf("%s: %d of 9 points are told as it, the lowest scores %.2f, an ordinary point at most %.2f", in.name, inside, best, outside)
		}
	}
}

func (c jointConformance) judge() JudgeJoint {
	w := DefaultWalk()
	w.MinTrain = w.Train - registry.Duration(2*time.Hour)
	return JudgeJoint{Name: c.name, Detector: c.d, Walk: w, Policy: DefaultPolicy(), Fits: NewFits(64 << 20)}
}

// zoom asks for random ranges: a time has one verdict, also when the future is cut off.
func (c jointConformance) zoom(t *testing.T) {
	j := c.judge()
	v := altered(c.v, 15_000, 15_030, func(x []float64) { x[2] *= 4 })
	v = altered(v, 12_000, 12_030, func(x []float64) { x[0], x[1] = math.NaN(), math.NaN() })
	g := v.Grid
	all, err := j.Vector(context.Background(), v, series.Series{}, g.Start, g.At(g.N-1))
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Episodes) == 0 || len(all.Details) != len(all.Episodes) {
		t.Fatalf("%d episodes, %d details", len(all.Episodes), len(all.Details))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		from := g.Start + rng.Int64N(int64(g.N-2)*g.Step)
		to := from + rng.Int64N(g.At(g.N-1)-from)
		fetch := j.Walk.Fetch(from, to, j.Policy)
		part, err := j.Vector(context.Background(), v.Between(fetch.Start, fetch.End()), series.Series{}, from, to)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range part.Score {
			k, _ := g.Index(part.Vector.Grid.At(i))
			if !sameFloat(s, all.Score[k]) || part.Anomalous[i] != all.Anomalous[k] || part.State[i] != all.State[k] || part.Break[i] != all.Break[k] || part.Leading[i] != all.Leading[k] {
				t.Fatalf("[%d, %d] at %d: score %v, anomalous %v, state %v; over all: %v, %v, %v", from, to, g.At(k), s, part.Anomalous[i], part.State[i],
					all.Score[k], all.Anomalous[k], all.State[k])
			}
		}
	}
}

// What never changed is a state; what leaves it is abnormal.
func (c jointConformance) constant(t *testing.T) {
	v := altered(c.v, 0, c.v.Grid.N, func(x []float64) { x[0], x[1], x[2] = 0, 7, -3e9 })
	at := v.Grid.N - 30
	changed := altered(v, at, at+20, func(x []float64) { x[1] = 14 })
	found, err := c.judge().Vector(context.Background(), changed, series.Series{}, v.Grid.At(c.split), v.Grid.At(v.Grid.N-1))
	if err != nil {
		t.Fatal(err)
	}
	if found.State[0] != Constant || len(found.Episodes) != 1 || found.Episodes[0].Began != v.Grid.At(at) || found.Details[0].Parts[0].Name != "requests" {
		t.Errorf("state %v, episodes %+v, %+v", found.State[0], found.Episodes, found.Details)
	}
	// One dimension that never changed among others that do.
	half := altered(c.v, 0, c.v.Grid.N, func(x []float64) { x[2] = 0.3 })
	jointScore(t, c.fit(t, half.Slice(0, c.split)), half.Slice(c.split-100, half.Grid.N), 100)
}

func (c jointConformance) short(t *testing.T) {
	for _, n := range []int{0, 1, 5, 30} {
		if _, err := c.d.Fit(JointTrain{Vector: c.v.Slice(0, n)}); !errors.Is(err, ErrTooShort) {
			t.Errorf("fit of %d points: %v, want ErrTooShort", n, err)
		}
	}
	gaps := series.NewVector(nil, series.Grid{Step: 60_000, N: 10_000}, "a", "b")
	if _, err := c.d.Fit(JointTrain{Vector: gaps}); !errors.Is(err, ErrTooShort) {
		t.Errorf("fit of gaps only: %v, want ErrTooShort", err)
	}
}

// Fit and Score never panic, whatever the data, and keep the NaN rule.
func FuzzJoints(f *testing.F) {
	for i := range Joints.Names() {
		f.Add(uint8(i), uint64(1), 2000, uint8(3), 1.0, 0.1, true)
		f.Add(uint8(i), uint64(2), 70, uint8(1), 0.0, 0.0, false)
		f.Add(uint8(i), uint64(3), 500, uint8(5), math.Inf(1), 1e300, false)
		f.Add(uint8(i), uint64(4), 400, uint8(2), -1e-300, math.NaN(), true)
	}
	f.Fuzz(func(t *testing.T, member uint8, seed uint64, n int, dims uint8, level, noise float64, holes bool) {
		names := Joints.Names()
		d, err := Joints.New(names[int(member)%len(names)], nil)
		if err != nil {
			t.Fatal(err)
		}
		n = min(max(n, 0), 3000)
		rng := rand.New(rand.NewPCG(seed, 0))
		v := series.NewVector(nil, series.Grid{Start: 60_000 * int64(rng.IntN(1e6)), Step: 60_000, N: n}, []string{"a", "b", "c", "d", "e", "f"}[:dims%6+1]...)
		for _, values := range v.Values {
			for i := range values {
				values[i] = level + noise*rng.NormFloat64()
				if holes && rng.IntN(4) == 0 {
					values[i] = math.NaN()
				}
				if rng.IntN(300) == 0 {
					values[i] = []float64{math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 0, math.SmallestNonzeroFloat64, 1e300, -1e300}[rng.IntN(8)]
				}
			}
		}
		m, err := d.Fit(JointTrain{Vector: v, N: 3, M: 5})
		if err != nil {
			return
		}
		r := jointScore(t, m, v, min(n, 10))
		for i, x := range r.Score {
			if x < 0 || math.IsInf(x, 0) {
				t.Fatalf("point %d scores %v", i, x)
			}
		}
	})
}
