package evaluate

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func init() {
	for name, level := range map[string]func(float64) float64{
		"test_blind":    func(float64) float64 { return 0.1 },
		"test_reversed": func(d float64) float64 { return 0.9 / (1 + d) },
		"test_noisy":    func(d float64) float64 { return d / 1.5 },
	} {
		detect.Detectors.Add(registry.Entry[detect.Detector]{Name: name, New: func() detect.Detector { return &faulty{level: level} }})
	}
}

// faulty is a detector with the distance from the median of its window in robust deviations, of which a level is made that no detector should have.
type faulty struct {
	Budget float64 `json:"budget"`
	level  func(distance float64) float64
}

func (*faulty) Validate() error       { return nil }
func (*faulty) Catches() detect.Kinds { return detect.Spike | detect.Drop | detect.Shift }

func (f *faulty) Fit(train detect.Train) (detect.Model, error) {
	return faultyModel{f.level}, nil
}

type faultyModel struct{ level func(float64) float64 }

func (faultyModel) MarshalBinary() ([]byte, error) { return json.Marshal("faulty") }

func (m faultyModel) Score(window series.Series, warmup int) (detect.Result, error) {
	r := detect.NewResult(window.Grid.N - warmup)
	for i := range r.Score {
		x := window.Values[warmup+i]
		r.Score[i], r.Expected[i] = m.level(math.Abs(x-100)/3), 100
	}
	return r, nil
}

// noise is a series without shape: 100 with a deviation of 3.
func noise(days int) series.Series {
	rng := rand.New(rand.NewPCG(3, 4))
	s := series.New(series.FromMap(map[string]string{"__name__": "noise"}), series.Grid{Start: testStart, Step: testMinute, N: days * 1440})
	for i := range s.Values {
		s.Values[i] = 100 + 3*rng.NormFloat64()
	}
	return s
}

func caseOf(s series.Series, days int) Case {
	return Case{Series: s, From: s.Grid.End() - int64(days)*testDay, To: s.Grid.End() - testMinute}
}

// On normal noise around a daily shape the default finds every spike, drop and shift of five deviations, and passes.
func TestSelfTestPasses(t *testing.T) {
	t.Parallel()
	j := judgeOf(t, "seasonal")
	j.Policy.MinRel = 0
	got, err := SelfTest{Judge: j}.Case(context.Background(), caseOf(daily("ccc", 12), 3))
	if err != nil {
		t.Fatal(err)
	}
	if got.Outcome != Passed || !got.Light || math.Abs(got.Deviation-3) > 0.3 {
		t.Errorf("%s %v, deviation %v, tail %v", got.Outcome, got.Reasons, got.Deviation, got.Tail)
	}
	if kinds := []string{KindSpike, KindDrop, KindShift, KindRamp, KindSeason, KindFlatline}; len(got.Kinds) != len(kinds) {
		t.Fatalf("kinds %+v", got.Kinds)
	}
	for _, k := range got.Kinds[:3] {
		r, ok := k.At(5)
		if !ok || r.Places < 5 || r.Found != r.Places || r.Rank < 0.99 || r.Delay > 10*testMinute || r.Delay < 2*testMinute {
			t.Errorf("%s: %+v", k.Kind, k.Rungs)
		}
		if one, ok := k.At(1); ok && one.Share() > 0.5 {
			t.Errorf("%s of one deviation, which is ordinary: %+v", k.Kind, one)
		}
	}
	again, err := SelfTest{Judge: j}.Case(context.Background(), caseOf(daily("ccc", 12), 3))
	if err != nil {
		t.Fatal(err)
	}
	nan := cmp.Comparer(func(a, b float64) bool { return a == b || a != a && b != b })
	if d := cmp.Diff(got, again, nan); d != "" {
		t.Errorf("two runs differ:\n%s", d)
	}
}

// What must not go live does not pass: a detector that sees nothing, one whose ranking is upside down, one that always alarms.
func TestSelfTestFails(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"test_blind": "blind", "test_reversed": "blind", "test_noisy": "noisy"} {
		j := judgeOf(t, name)
		j.Policy.MinRel = 0
		for _, quick := range []bool{true, false} {
			got, err := SelfTest{Judge: j, Quick: quick}.Case(context.Background(), caseOf(noise(12), 3))
			if err != nil {
				t.Fatal(err)
			}
			if got.Outcome != Failed || got.Reasons[0].Key != want {
				t.Errorf("%s, quick %v: %s %+v", name, quick, got.Outcome, got.Reasons)
			}
			for _, r := range got.Reasons {
				for _, lang := range []string{"en", "zh-Hans"} {
					if text := r.Text(lang); slices.Contains([]rune(text), '{') || len(text) < 20 {
						t.Errorf("%s: %q", lang, text)
					}
				}
			}
		}
	}
}

// What cannot be judged is neither passed nor failed.
func TestSelfTestOfWhatCannotBeJudged(t *testing.T) {
	t.Parallel()
	constant := series.New(nil, series.Grid{Start: testStart, Step: testMinute, N: 12 * 1440})
	for i := range constant.Values {
		constant.Values[i] = 7
	}
	young := daily("young", 12)
	for i := range 11 * 1440 {
		young.Values[i] = math.NaN()
	}
	for name, s := range map[string]series.Series{"constant": constant, "warm-up": young, "gap": series.New(nil, constant.Grid)} {
		got, err := SelfTest{Judge: judgeOf(t, "seasonal")}.Case(context.Background(), caseOf(s, 2))
		if err != nil {
			t.Fatal(err)
		}
		if got.Outcome != NotTested || len(got.Reasons) != 1 || (name != "gap" && got.Reasons[0].Args[1] != name) {
			t.Errorf("%s: %s %+v", name, got.Outcome, got.Reasons)
		}
	}
}

// A policy that wants one direction, or large changes only, is not blamed for the rest.
func TestSelfTestHeedsThePolicy(t *testing.T) {
	t.Parallel()
	j := judgeOf(t, "seasonal")
	j.Policy.Direction, j.Policy.MinAbs = "up", 20
	got, err := SelfTest{Judge: j}.Case(context.Background(), caseOf(daily("dddd", 12), 3))
	if err != nil {
		t.Fatal(err)
	}
	if got.Kinds[1].Skipped != "unwanted" || got.Outcome != Passed {
		t.Errorf("%s %+v", got.Outcome, got.Kinds[1])
	}
	if r, ok := got.Kinds[0].At(5); ok { // 15 is less than 20
		t.Errorf("a spike that the policy does not want was put in: %+v", r)
	}
	if r, ok := got.Kinds[0].At(12); !ok || r.Found != r.Places {
		t.Errorf("spikes %+v", got.Kinds[0].Rungs)
	}
}

// A rule fails as a whole when most of its series do.
func TestJoint(t *testing.T) {
	t.Parallel()
	of := func(o TestOutcome, episodes int) SelfTested {
		return SelfTested{Outcome: o, Exposure: 1, Episodes: episodes}
	}
	for _, tt := range []struct {
		all  []SelfTested
		want TestOutcome
		key  string
	}{
		{nil, NotTested, "no-series"},
		{[]SelfTested{of(NotTested, 0)}, NotTested, ""},
		{[]SelfTested{of(Passed, 1), of(Failed, 5), of(NotTested, 0)}, Passed, "rule-passed"},
		{[]SelfTested{of(Passed, 1), of(Failed, 1), of(Failed, 1)}, Failed, "most"},
		{[]SelfTested{of(Passed, 9), of(Passed, 9), of(Passed, 9)}, Failed, "noisy"},
	} {
		got, why := Joint(tt.all, 1)
		if got != tt.want || tt.key != "" && why[0].Key != tt.key {
			t.Errorf("%v: %s %v", tt.all, got, why)
		}
	}
}

// Noise, and series in which nothing could be put, make no rule blind.
func TestBlind(t *testing.T) {
	t.Parallel()
	of := func(found, episodes int) SelfTested {
		return SelfTested{Exposure: 1, Episodes: episodes, Kinds: []KindResult{{Kind: KindSpike, Declared: true, Rungs: []Rung{{Places: 20, Found: found, Rank: 1}}}}}
	}
	none := SelfTested{Exposure: 1, Episodes: 99}
	for _, tt := range []struct {
		all  []SelfTested
		want bool
	}{
		{nil, false},
		{[]SelfTested{none}, false},
		{[]SelfTested{of(20, 99), of(20, 99)}, false},
		{[]SelfTested{of(20, 0), of(3, 0)}, false},
		{[]SelfTested{of(20, 0), of(3, 0), of(3, 99)}, true},
		{[]SelfTested{none, none, of(3, 99)}, true},
	} {
		got, why := Blind(tt.all)
		if got != tt.want || got && (why[0].Key != "most" || why[1].Key != "blind") {
			t.Errorf("%+v: %v %v", tt.all, got, why)
		}
	}
}

// A panic over one series ends the run with an error.
func TestParallelPanics(t *testing.T) {
	t.Parallel()
	err := parallel(context.Background(), 2, 5, nil, func(_ context.Context, i int) error {
		if i == 3 {
			panic("out of range")
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "out of range") {
		t.Errorf("%v", err)
	}
}

// A detector that finds what was put in, but scores most ordinary samples higher, ranks wrong.
func TestVerdictOnRanks(t *testing.T) {
	t.Parallel()
	of := func(found int, rank float64) KindResult {
		return KindResult{Kind: KindSpike, Declared: true, Rungs: []Rung{{Size: math.Inf(1), Places: 20, Found: found, Rank: rank}}}
	}
	for _, tt := range []struct {
		kinds []KindResult
		want  TestOutcome
		key   string
	}{
		{[]KindResult{of(20, 0.5)}, Failed, "ranked"},
		{[]KindResult{of(9, 1)}, Failed, "blind"},
		{[]KindResult{of(20, 1), of(9, 1)}, Passed, "weak"},
		{[]KindResult{of(20, 1)}, Passed, "passed"},
		{nil, NotTested, "no-place"},
	} {
		got, why := verdict(SelfTested{Exposure: 1, Kinds: tt.kinds}, 1)
		if got != tt.want || why[0].Key != tt.key {
			t.Errorf("%+v: %s %v", tt.kinds, got, why)
		}
	}
}
