package evaluate

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

const (
	testMinute = int64(60_000)
	testDay    = 24 * 60 * testMinute
)

var testStart = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixMilli()

// judgeOf returns a judge with the defaults.
func judgeOf(t testing.TB, detector string) Judge {
	t.Helper()
	d, err := detect.Detectors.New(detector, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Judge{Judge: detect.Judge{Name: detector, Detector: d, Walk: detect.DefaultWalk(), Policy: detect.DefaultPolicy(), Fits: detect.NewFits(64 << 20)}}
}

// daily makes so many days of a daily shape with noise of 3, one sample a minute from testStart on.
func daily(name string, days int) series.Series {
	rng := rand.New(rand.NewPCG(uint64(len(name)), uint64(name[0])))
	s := series.New(series.FromMap(map[string]string{"__name__": "requests", "service": name}), series.Grid{Start: testStart, Step: testMinute, N: days * 1440})
	for i := range s.Values {
		s.Values[i] = 100 + 30*math.Sin(2*math.Pi*float64(i%1440)/1440) + 3*rng.NormFloat64()
	}
	return s
}

// raise adds to n samples from t on.
func raise(s series.Series, t int64, n int, by float64) {
	i, _ := s.Grid.Index(t)
	for k := i; k < i+n; k++ {
		s.Values[k] += by
	}
}

// An outage that is known is hit, a known quiet time is missed, an episode beside both is false; and weeks are counted back from the end.
func TestReplayAgainstIncidents(t *testing.T) {
	t.Parallel()
	s := daily("a", 24)
	outage, surprise, calm := testStart+20*testDay, testStart+12*testDay, testStart+22*testDay
	raise(s, outage, 30, -60)
	raise(s, surprise, 20, 60)
	r := Replay{Judge: judgeOf(t, "seasonal")}
	c := Case{Series: s, From: testStart + 10*testDay, To: s.Grid.End() - testMinute}
	known := []Incident{{outage - 2*testMinute, outage + 29*testMinute}, {calm, calm + 10*testMinute}, {testStart, testStart + testMinute}}
	c.Incidents = known
	got, err := r.Case(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	var raised []Raised
	for _, e := range got.Episodes {
		if e.Hit || e.Began == surprise {
			raised = append(raised, e)
		}
	}
	if len(raised) != 2 || raised[0].Hit || raised[0].Began != surprise || !raised[1].Hit || raised[1].Began != outage {
		t.Fatalf("episodes %+v", got.Episodes)
	}
	want := []Found{{Incident: known[0], Hit: true, Delay: 4 * testMinute}, {Incident: known[1]}}
	if d := cmp.Diff(want, got.Incidents); d != "" {
		t.Errorf("incidents, of which one was never judged (-want +got):\n%s", d)
	}
	if n := len(got.Weeks); n != 2 || got.Weeks[0].Exposure+got.Weeks[1].Exposure != got.Exposure || got.Weeks[0].From != c.From || got.Weeks[1].To != c.To {
		t.Errorf("weeks %+v of %v", got.Weeks, got.Exposure)
	}
	if f := got.False(); f != len(got.Episodes)-1 || got.PerWeek() != float64(f)/2 {
		t.Errorf("%d false, %v a week", f, got.PerWeek())
	}
}

// A label that is true for one host does not excuse another.
func TestIncidentsBelongToSeries(t *testing.T) {
	t.Parallel()
	grid := series.Grid{Start: 0, Step: 10, N: 6}
	of := func(labels map[string]string, values ...float64) series.Series {
		return series.Series{Labels: series.FromMap(labels), Grid: grid, Values: values}
	}
	nan := math.NaN()
	told := []series.Series{
		of(map[string]string{"__name__": "bad", "host": "a"}, 0, 1, 1, 0, nan, 1),
		of(map[string]string{"host": "b"}, 1, 0, 0, 0, 0, 0),
		of(nil, 0, 0, 1, 1, 0, 0),
	}
	for host, want := range map[string][]Incident{"a": {{10, 30}, {50, 50}}, "b": {{0, 0}, {20, 30}}, "c": {{20, 30}}} {
		got := IncidentsOf(series.FromMap(map[string]string{"host": host, "x": "y"}), told)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", host, d)
		}
	}
}

// The search finds a budget that is kept, and when it is not, says so.
func TestSearchMeetsTheRate(t *testing.T) {
	t.Parallel()
	var all []Case
	for _, name := range []string{"a", "bb"} {
		all = append(all, Case{Series: daily(name, 18), From: testStart + 10*testDay, To: testStart + 18*testDay - testMinute})
	}
	rng := rand.New(rand.NewPCG(5, 5))
	for _, c := range all { // four bursts a day, as large as each other
		for range 4 * 18 {
			raise(c.Series, testStart+rng.Int64N(18*testDay/testMinute-10)*testMinute, 6, 40)
		}
	}
	r := Replay{Judge: judgeOf(t, "seasonal"), Workers: 1}
	got, err := r.Search(context.Background(), all, 2)
	if err != nil {
		t.Fatal(err)
	}
	c := got.Chosen()
	if !got.Met || c.PerWeek > 2 {
		t.Fatalf("chosen %+v, tried %d", c, len(got.Tried))
	}
	var mu sync.Mutex
	again := 0
	r.Judge = c.Judge
	if err := r.All(context.Background(), all, func(_ int, one Replayed) { mu.Lock(); again += one.False(); mu.Unlock() }); err != nil {
		t.Fatal(err)
	}
	if again != c.Episodes {
		t.Errorf("the chosen setting raises %d episodes, the search said %d", again, c.Episodes)
	}
	r.Judge = judgeOf(t, "seasonal")
	r.Judge.Policy.Horizon = registry.Duration(20 * time.Minute) // leaves no room for longer episodes
	if got, err = r.Search(context.Background(), all, 0); err != nil {
		t.Fatal(err)
	}
	if got.Met != (got.Chosen().Episodes == 0) {
		t.Errorf("met %v with %d episodes", got.Met, got.Chosen().Episodes)
	}
}

// scipy.stats.chi2.ppf([.025, .975], [2n, 2n+2])/2 for n = 0, 1, 10, 100 (scipy 1.10.1).
func TestRateInterval(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][2]float64{
		0:   {0, 3.6888794541139354},
		1:   {0.025317807984289876, 5.571643390938898},
		10:  {4.7953886961324335, 18.39035604201778},
		100: {81.36399125092314, 121.62679379242638},
	} {
		low, high := RateInterval(n, 2)
		if math.Abs(low-want[0]/2) > 1e-8 || math.Abs(high-want[1]/2) > 1e-8 {
			t.Errorf("%d: [%v, %v], want [%v, %v]", n, low, high, want[0]/2, want[1]/2)
		}
	}
}
