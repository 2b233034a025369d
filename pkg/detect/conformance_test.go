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

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// Every registered detector keeps the five promises of the house on every fixture.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, name := range Detectors.Names() {
		for _, fx := range some(name, fixtures()) {
			t.Run(name+"/"+fx.name, func(t *testing.T) {
				t.Parallel()
				d, err := Detectors.New(name, nil)
				if err != nil {
					t.Fatal(err)
				}
				c := conformance{name: name, d: d, s: fx.s}
				c.split = fx.s.Grid.N * 8 / 10
				t.Run("pure", c.pure)
				t.Run("gaps", c.gaps)
				t.Run("causal", c.causal)
				t.Run("marshalled", c.marshalled)
				t.Run("band", c.band)
				t.Run("zoom", c.zoom)
				t.Run("prefix", c.prefix)
				t.Run("injections", c.injections)
			})
		}
	}
}

// dear are detectors of which a fit takes so long that four fixtures would take minutes: they are held to the promises on all but the second.
var dear = []string{"lof", "matrix_profile"}

// some returns all of them, the ends for a dear detector, the first for lstm, whose fit takes a second, and under the race detector, which makes fits ten times slower and looks for something else, the first.
func some(name string, all []fixture) []fixture {
	switch {
	case raceDetector:
		return all[:1]
	case name == "lstm":
		return all[:1]
	case slices.Contains(dear, name):
		return slices.Concat(all[:1], all[2:])
	}
	return all
}

type conformance struct {
	name  string
	d     Detector
	s     series.Series
	split int // samples to train on
}

func (c conformance) fit(t *testing.T, s series.Series) Model {
	t.Helper()
	p := DefaultPolicy()
	m, err := c.d.Fit(Train{Series: s, N: p.N, M: p.M})
	if err != nil {
		t.Fatalf("fit: %v", err)
	}
	return m
}

func (c conformance) parts() (train, rest series.Series) {
	return c.s.Slice(0, c.split), c.s.Slice(c.split, c.s.Grid.N)
}

// context returns how many earlier samples the detector wants.
func (c conformance) context() int {
	if x, ok := c.d.(Contexter); ok {
		return x.Context(c.s.Grid.Step)
	}
	return 0
}

func score(t *testing.T, m Model, s series.Series, warmup int) Result {
	t.Helper()
	r, err := m.Score(s, warmup)
	if err != nil {
		t.Fatalf("score: %v", err)
	}
	if n := s.Grid.N - warmup; len(r.Score) != n || len(r.Expected) != n || len(r.Lower) != n || len(r.Upper) != n || len(r.State) != n {
		t.Fatalf("score of %d samples: %d, %d, %d, %d, %d entries", n, len(r.Score), len(r.Expected), len(r.Lower), len(r.Upper), len(r.State))
	}
	return r
}

var sameBits = cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) || (a != a && b != b) })

func (c conformance) pure(t *testing.T) {
	train, _ := c.parts()
	before := slices.Clone(c.s.Values)
	w := c.context()
	window := c.s.Slice(c.split-w, c.s.Grid.N)
	one, two := score(t, c.fit(t, train), window, w), score(t, c.fit(t, train), window, w)
	if d := cmp.Diff(one, two, sameBits); d != "" {
		t.Errorf("two runs differ:\n%s", d)
	}
	if d := cmp.Diff(before, c.s.Values, sameBits); d != "" {
		t.Errorf("the input was written:\n%s", d)
	}
}

func (c conformance) gaps(t *testing.T) {
	train, rest := c.parts()
	m := c.fit(t, train)
	holed := slices.Clone(c.s.Values)
	for i := 7; i < len(holed); i += 13 {
		holed[i] = math.NaN()
	}
	w := c.context()
	s := series.Series{Labels: c.s.Labels, Grid: c.s.Grid, Values: holed}
	r := score(t, m, s.Slice(c.split-w, s.Grid.N), w)
	for i := range rest.Values {
		x := holed[c.split+i]
		if (x != x) != (r.Score[i] != r.Score[i]) || (x != x) != (r.State[i] == Gap) {
			t.Fatalf("sample %d is %v: score %v, state %v", i, x, r.Score[i], r.State[i])
		}
	}
	// Training data may have holes too.
	c.fit(t, s.Slice(0, c.split))
}

func (c conformance) causal(t *testing.T) {
	train, rest := c.parts()
	m := c.fit(t, train)
	w := c.context()
	full := score(t, m, c.s.Slice(c.split-w, c.s.Grid.N), w)
	for _, n := range []int{1, 2, rest.Grid.N / 3, rest.Grid.N - 1} {
		part := score(t, m, c.s.Slice(c.split-w, c.split+n), w)
		if d := cmp.Diff(full.Score[:n], part.Score, sameBits); d != "" {
			t.Fatalf("the first %d scores depend on what follows:\n%s", n, d)
		}
	}
}

func (c conformance) marshalled(t *testing.T) {
	train, _ := c.parts()
	m := c.fit(t, train)
	raw, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Unmarshal(c.name, raw)
	if err != nil {
		t.Fatal(err)
	}
	w := c.context()
	window := c.s.Slice(c.split-w, c.s.Grid.N)
	if d := cmp.Diff(score(t, m, window, w), score(t, again, window, w), sameBits); d != "" {
		t.Errorf("a model read back judges otherwise:\n%s", d)
	}
	for cut := range len(raw) {
		if cut > 64 && cut%97 != 0 {
			continue
		}
		if _, err := Unmarshal(c.name, raw[:cut]); err == nil {
			t.Errorf("%d of %d bytes were taken for a model", cut, len(raw))
		}
	}
}

// band holds score ≥ 1 to mean outside of the band, for models that draw one.
func (c conformance) band(t *testing.T) {
	train, rest := c.parts()
	w := c.context()
	r := score(t, c.fit(t, train), c.s.Slice(c.split-w, c.s.Grid.N), w)
	for i, x := range rest.Values {
		if r.State[i] != OK || r.Lower[i] != r.Lower[i] {
			continue
		}
		if !(r.Lower[i] <= r.Expected[i] && r.Expected[i] <= r.Upper[i]) {
			t.Fatalf("sample %d: band [%v, %v] around %v", i, r.Lower[i], r.Upper[i], r.Expected[i])
		}
		outside := x < r.Lower[i] || x > r.Upper[i]
		if edge := math.Abs(r.Score[i] - 1); edge > 1e-9 && outside != (r.Score[i] >= 1) {
			t.Fatalf("sample %d is %v in [%v, %v] with score %v", i, x, r.Lower[i], r.Upper[i], r.Score[i])
		}
	}
}

// judge returns a judge with a shorter youth than usual: it is fitted every hour in it, and some fits are dear.
func (c conformance) judge() Judge {
	w := DefaultWalk()
	w.MinTrain = 6 * registry.Day
	return Judge{Name: c.name, Detector: c.d, Walk: w, Policy: DefaultPolicy(), Fits: NewFits(64 << 20)}
}

// zoom asks for random ranges: a time has one verdict.
func (c conformance) zoom(t *testing.T) {
	j := c.judge()
	rng := rand.New(rand.NewPCG(1, 2))
	g := c.s.Grid
	reference, err := j.Series(context.Background(), c.s, g.Start, g.At(g.N-1))
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		from := g.Start + rng.Int64N(int64(g.N-2)*g.Step)
		to := from + rng.Int64N(g.At(g.N-1)-from)
		fetch := j.Walk.Fetch(from, to, j.Policy)
		v, err := j.Series(context.Background(), c.s.Between(fetch.Start, fetch.End()), from, to)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range v.Score {
			k, ok := g.Index(v.Series.Grid.At(i))
			if !ok {
				t.Fatalf("verdict at %d, off the grid", v.Series.Grid.At(i))
			}
			if !sameFloat(s, reference.Score[k]) || v.Anomalous[i] != reference.Anomalous[k] || v.State[i] != reference.State[k] || !sameFloat(v.Onset[i], reference.Onset[k]) {
				t.Fatalf("[%d, %d] at %d: score %v, anomalous %v, state %v; over all: %v, %v, %v", from, to, g.At(k), s, v.Anomalous[i], v.State[i],
					reference.Score[k], reference.Anomalous[k], reference.State[k])
			}
		}
	}
}

func sameFloat(a, b float64) bool { return a == b || (a != a && b != b) }

// prefix cuts the future off: what the past shows is what an alert would have said.
func (c conformance) prefix(t *testing.T) {
	j := c.judge()
	g := c.s.Grid
	all, err := j.Series(context.Background(), c.s, g.Start, g.At(g.N-1))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{g.N * 3 / 4, g.N - 1} {
		v, err := j.Series(context.Background(), c.s.Slice(0, n), g.Start, g.At(n-1))
		if err != nil {
			t.Fatal(err)
		}
		for i := range v.Score {
			if !sameFloat(v.Score[i], all.Score[i]) || v.Anomalous[i] != all.Anomalous[i] || v.State[i] != all.State[i] {
				t.Fatalf("sample %d of %d: %v, %v, %v now and %v, %v, %v later", i, n, v.Score[i], v.Anomalous[i], v.State[i], all.Score[i], all.Anomalous[i], all.State[i])
			}
		}
	}
}

func (c conformance) injections(t *testing.T) {
	train, rest := c.parts()
	m := c.fit(t, train)
	w := c.context()
	for _, in := range injections {
		if !c.d.Catches().Has(in.kind) {
			continue
		}
		values := slices.Clone(c.s.Values)
		i, n := in.inject(values[c.split:], rest.Grid.Step, size(train.Values))
		s := series.Series{Labels: c.s.Labels, Grid: c.s.Grid, Values: values}
		r := score(t, m, s.Slice(c.split-w, s.Grid.N), w)
		inside, outside := 0.0, 0.0
		for k, x := range r.Score {
			switch {
			case x != x:
			case k >= i && k < i+n:
				inside = max(inside, x)
			case k < i || k >= i+n+w:
				outside = max(outside, x)
			}
		}
		if !(inside > outside) || !(inside >= 1) {
			t.Errorf("an injected %s scores %.2f, an ordinary sample %.2f", in.kind, inside, outside)
		}
	}
}

// A constant series is a state and never an alarm; what leaves the constant is judged.
func TestConformanceConstant(t *testing.T) {
	t.Parallel()
	for _, name := range Detectors.Names() {
		for _, value := range []float64{0, 1, -3.5e9} {
			d, _ := Detectors.New(name, nil)
			s := daily("constant", func(int64, *rand.Rand) float64 { return value }).s
			c := conformance{name: name, d: d, s: s, split: s.Grid.N * 8 / 10}
			c.marshalled(t)
			c.zoom(t)
			v, err := c.judge().Series(context.Background(), s, s.Grid.At(c.split), s.Grid.End()-s.Grid.Step)
			if err != nil {
				t.Fatal(err)
			}
			if len(v.Episodes) > 0 || slices.ContainsFunc(v.Score, func(x float64) bool { return x == x }) {
				t.Errorf("%s: constant %v has %d episodes", name, value, len(v.Episodes))
			}
			if v.State[0] != Constant || v.Notices[0].State != Constant {
				t.Errorf("%s: constant %v is in state %v", name, value, v.State[0])
			}
			changed := slices.Clone(s.Values)
			at := s.Grid.N - 30
			for i := at; i < at+20; i++ {
				changed[i] = value + max(1, math.Abs(value))
			}
			v, err = c.judge().Series(context.Background(), series.Series{Labels: s.Labels, Grid: s.Grid, Values: changed}, s.Grid.At(c.split), s.Grid.End()-s.Grid.Step)
			if err != nil {
				t.Fatal(err)
			}
			if len(v.Episodes) != 1 || v.Episodes[0].Began != s.Grid.At(at) {
				t.Errorf("%s: what left the constant %v: %+v", name, value, v.Episodes)
			}
		}
	}
}

func TestConformanceTooShort(t *testing.T) {
	t.Parallel()
	for _, name := range Detectors.Names() {
		d, _ := Detectors.New(name, nil)
		for _, n := range []int{0, 1, 2, 5} {
			s := fixtures()[0].s.Slice(0, n)
			if _, err := d.Fit(Train{Series: s}); !errors.Is(err, ErrTooShort) {
				t.Errorf("%s: fit of %d samples: %v, want ErrTooShort", name, n, err)
			}
		}
		s := series.New(nil, series.Grid{Step: 60_000, N: 20_000})
		if _, err := d.Fit(Train{Series: s}); !errors.Is(err, ErrTooShort) {
			t.Errorf("%s: fit of gaps only: %v, want ErrTooShort", name, err)
		}
	}
}

// Fit and Score never panic, whatever the data, and keep the NaN rule.
func FuzzDetectors(f *testing.F) {
	for i := range Detectors.Names() {
		f.Add(uint8(i), uint64(1), 3000, 1.0, 0.1, true)
		f.Add(uint8(i), uint64(2), 30, 0.0, 0.0, false)
		f.Add(uint8(i), uint64(3), 6000, math.Inf(1), 1e300, false)
		f.Add(uint8(i), uint64(4), 4000, -1e-300, math.NaN(), true)
	}
	f.Fuzz(func(t *testing.T, member uint8, seed uint64, n int, level, noise float64, holes bool) {
		names := Detectors.Names()
		name := names[int(member)%len(names)]
		d, err := Detectors.New(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		n = min(max(n, 0), 8000)
		rng := rand.New(rand.NewPCG(seed, 0))
		s := series.New(nil, series.Grid{Start: 60_000 * int64(rng.IntN(1e6)), Step: 60_000, N: n})
		for i := range s.Values {
			s.Values[i] = level + noise*rng.NormFloat64()
			if holes && rng.IntN(4) == 0 {
				s.Values[i] = math.NaN()
			}
			if rng.IntN(500) == 0 {
				s.Values[i] = []float64{math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 0, math.SmallestNonzeroFloat64}[rng.IntN(6)]
			}
		}
		m, err := d.Fit(Train{Series: s, N: 3, M: 5})
		if err != nil {
			return
		}
		r, err := m.Score(s, min(n, 10))
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range r.Score {
			if gap := s.Values[i+min(n, 10)]; !baseline.Usable(gap) != (r.State[i] == Gap) || (r.State[i] == OK) != (x == x) || x < 0 {
				t.Fatalf("%s: sample %v has score %v and state %v", name, gap, x, r.State[i])
			}
		}
	})
}

// fixture is a series whose samples are all ordinary.
type fixture struct {
	name string
	s    series.Series
}

const fixtureStart = 1_700_000_040_000 // an arbitrary minute, not a midnight

// daily makes twelve days of one sample a minute from a fixed seed.
func daily(name string, value func(t int64, rng *rand.Rand) float64) fixture {
	rng := rand.New(rand.NewPCG(7, 11))
	g := series.Grid{Start: fixtureStart, Step: 60_000, N: 12 * 24 * 60}
	s := series.New(series.FromMap(map[string]string{"fixture": name}), g)
	for i := range s.Values {
		s.Values[i] = value(g.At(i), rng)
	}
	return fixture{name, s}
}

// wave is −1…1 over a day.
func wave(t int64) float64 { return math.Sin(2 * math.Pi * float64(t%86_400_000) / 86_400_000) }

func fixtures() []fixture {
	return []fixture{
		daily("requests", func(t int64, rng *rand.Rand) float64 { return 200 + 120*wave(t) + 6*rng.NormFloat64() }),
		daily("latency", func(t int64, rng *rand.Rand) float64 {
			return (0.1 + 0.05*wave(t)) * math.Exp(0.1*rng.NormFloat64())
		}),
		daily("sawtooth", func(t int64, rng *rand.Rand) float64 {
			return 50 + 40*float64(t%86_400_000)/86_400_000 + rng.NormFloat64()
		}),
		daily("growing", func(t int64, rng *rand.Rand) float64 {
			return 1000 + 100*float64(t-fixtureStart)/86_400_000 + 300*wave(t) + 20*rng.NormFloat64()
		}),
	}
}

// size is the height of a series: how far its ordinary values lie apart.
func size(values []float64) float64 {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, x := range values {
		if x == x {
			lo, hi = min(lo, x), max(hi, x)
		}
	}
	return hi - lo
}

// injections change values of one day and return which: sizes are shares of the height of the series.
var injections = []struct {
	kind   Kinds
	inject func(values []float64, step int64, height float64) (i, n int)
}{
	{Spike, func(v []float64, _ int64, h float64) (int, int) { return add(v, len(v)/2, 5, 1.5*h) }},
	{Drop, func(v []float64, _ int64, h float64) (int, int) { return add(v, len(v)/2, 5, -1.5*h) }},
	{Shift, func(v []float64, _ int64, h float64) (int, int) { return add(v, len(v)/2, len(v)-len(v)/2, 1.5*h) }},
	{Season, func(v []float64, step int64, _ float64) (int, int) {
		// Half a day late: every value is usual, at another time.
		i, day := 100, int((24*time.Hour).Milliseconds()/step)
		shape := slices.Clone(v[i : i+day])
		for k := range shape {
			v[i+k] = shape[(k+day/2)%day]
		}
		return i, day
	}},
	{Scatter, func(v []float64, _ int64, h float64) (int, int) {
		i, n := len(v)/2, 120
		for k := i; k < i+n; k++ {
			v[k] += 0.3 * h * float64(1-2*(k%2))
		}
		return i, n
	}},
}

func add(v []float64, i, n int, by float64) (int, int) {
	for k := i; k < i+n; k++ {
		v[k] += by
	}
	return i, n
}

// Options are read from a shell, a query and a file alike, and a wrong one is named.
func TestOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ json, want string }{
		{`{"budgt": 1}`, `detector seasonal: unknown parameter "budgt": want one of trend, week, periods, bucket, recurring, calendar, budget`},
		{`{"budget": "x"}`, `detector seasonal: parameter "budget": got "x", want a number`},
		{`{"budget": 0}`, `detector seasonal: parameter "budget": got 0, want 0.01 to 1000 episodes/week`},
		{`{"week": "on"}`, `detector seasonal: parameter "week": got "on", want one of auto, off`},
		{`{"bucket": 5}`, `detector seasonal: parameter "bucket": got 5, want a duration like 90s, 5m, 12h or 7d`},
		{`[]`, `detector seasonal: parameters: want a JSON object, got []`},
	} {
		_, err := Detectors.New("seasonal", registry.FromJSON([]byte(c.json)))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.json, err, c.want)
		}
	}
	d, err := Detectors.New("seasonal", registry.FromStrings(map[string]string{"budget": "2.5", "trend": "false", "bucket": "1h"}))
	if err != nil {
		t.Fatal(err)
	}
	got := d.(*Seasonal)
	if got.Budget != 2.5 || got.Trend || got.Bucket != registry.Duration(time.Hour) || got.Recurring != 3 {
		t.Errorf("decoded %+v", got)
	}
}
