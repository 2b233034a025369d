package plugin

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// verdictsOf makes verdicts of scores: NaN is a gap, and what is above 1 is anomalous.
func verdictsOf(scores ...float64) detect.Verdicts {
	n := len(scores)
	v := detect.Verdicts{
		Series: series.New(nil, series.Grid{Step: minute, N: n}), Score: scores, State: make([]detect.State, n), Anomalous: make([]bool, n),
		Expected: make([]float64, n), Lower: make([]float64, n), Upper: make([]float64, n),
	}
	for i, s := range scores {
		v.Anomalous[i] = s >= 1
		v.Series.Values[i] = s
		if s != s {
			v.State[i] = detect.Gap
		}
	}
	return v
}

func TestLatest(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for _, tt := range []struct {
		name   string
		v      detect.Verdicts
		change func(*detect.Verdicts)
		want   float64
		ok     bool
	}{
		{"ordinary", verdictsOf(.1, .2, .3, .4, .5), nil, .5, true},
		{"open episode", verdictsOf(.1, .2, .3, .4, 3), nil, 3, true},
		{"not scraped yet", verdictsOf(.1, .2, 3, nan, nan), nil, 3, true},
		{"gone", verdictsOf(nan, nan, nan, nan, nan), nil, 0, false},
		{"high, but not confirmed", verdictsOf(.1, .2, .3, .4, 7), func(v *detect.Verdicts) { v.Anomalous[4] = false }, below, true},
		{"recovering, but still open", verdictsOf(.1, 2, 2, .4, .5), func(v *detect.Verdicts) { v.Anomalous[4] = true }, 1, true},
		{"shifted", verdictsOf(.1, .2, .3, .4, 7), func(v *detect.Verdicts) { v.Anomalous[4], v.State[4] = false, detect.Shifted }, below, true},
		{"warm-up", verdictsOf(.1, .2, .3, .4, nan), func(v *detect.Verdicts) { v.State[4] = detect.WarmUp }, 0, false},
		{"constant", verdictsOf(.1, .2, .3, .4, nan), func(v *detect.Verdicts) { v.State[4] = detect.Constant }, 0, false},
		{"history gone after a gap", verdictsOf(.1, .2, .3, nan, nan), func(v *detect.Verdicts) { v.State[3] = detect.HistoryGone }, 0, false},
		{"zero is a score", verdictsOf(.1, .2, .3, .4, 0), nil, 0, true},
	} {
		if tt.change != nil {
			tt.change(&tt.v)
		}
		if got, ok := latest(tt.v); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %g, %t; want %g, %t", tt.name, got, ok, tt.want, tt.ok)
		}
	}
	if !(below < 1) || below < 0.999 {
		t.Errorf("below is %g", below)
	}
}

func TestThin(t *testing.T) {
	t.Parallel()
	short := verdictsOf(make([]float64, thinAbove)...)
	if keep := thin(short, 100); keep != nil {
		t.Errorf("%d samples were thinned to %d", thinAbove, len(keep))
	}
	const n = 60_000
	scores := make([]float64, n)
	for i := range scores {
		scores[i] = .3 + .2*math.Sin(float64(i)/500)
	}
	for i := 30_000; i < 30_250; i++ {
		scores[i] = 5 // an episode
	}
	scores[777] = 1.5           // a single anomalous sample
	scores[50_001] = -1         // the lowest of its stretch
	scores[40_404] = math.NaN() // one sample is missing
	v := verdictsOf(scores...)
	for _, points := range []int64{0, 1, 1000, 43_200} {
		keep := thin(v, points)
		kept := map[int]bool{}
		for k, i := range keep {
			if k > 0 && i <= keep[k-1] {
				t.Fatalf("maxDataPoints %d: index %d follows %d", points, i, keep[k-1])
			}
			kept[i] = true
		}
		for i, a := range v.Anomalous {
			if a && !kept[i] {
				t.Fatalf("maxDataPoints %d: anomalous sample %d is hidden", points, i)
			}
		}
		for _, i := range []int{0, n - 1, 776, 778, 50_001, 40_404} {
			if !kept[i] {
				t.Errorf("maxDataPoints %d: sample %d is hidden", points, i)
			}
		}
		if len(keep) > thinAbove+500 {
			t.Errorf("maxDataPoints %d: %d samples are left", points, len(keep))
		}
	}
}

// TestThinnedValuesAreTheSame: what is left of a long answer has the values of the whole one.
func TestThinnedValuesAreTheSame(t *testing.T) {
	t.Parallel()
	scores := make([]float64, 20_000)
	for i := range scores {
		scores[i] = float64(i%97) / 100
	}
	v := verdictsOf(scores...)
	keep := thin(v, 500)
	values, at := nullable(v.Score, keep), times(v.Series.Grid, keep)
	for k, i := range keep {
		if *values[k] != scores[i] || at[k].UnixMilli() != v.Series.Grid.At(i) {
			t.Fatalf("sample %d became %g at %s", i, *values[k], at[k])
		}
	}
}

func TestJoined(t *testing.T) {
	t.Parallel()
	info, warning := data.NoticeSeverityInfo, data.NoticeSeverityWarning
	got := joined([]data.Notice{{Severity: info, Text: "a."}, {Severity: warning, Text: "b."}, {Severity: info, Text: "c."}})
	want := []data.Notice{{Severity: warning, Text: "b."}, {Severity: info, Text: "• a. • c."}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := joined(nil); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestGapsAreToldForEachSeries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		output  string
		missing []int // of 100 samples, for each series
		want    bool
	}{
		{outputSeries, []int{0, 0, 0, 0}, false},
		{outputSeries, []int{4, 4, 4, 4}, false},
		{outputSeries, []int{0, 12, 0, 0}, true}, // 3 % of all samples, but an outage of one series
		{outputLatest, []int{0, 40, 0, 0}, false},
		{outputLatest, []int{0, 100, 0, 0}, true},
	} {
		o := &outcome{query: &detectQuery{Output: tt.output}, shown: series.Grid{Step: minute, N: 100}}
		o.answer.Set.Members = make([]series.Series, len(tt.missing))
		for _, n := range tt.missing {
			j := judged{}
			if n > 0 {
				j.notices = []detect.Notice{{State: detect.Gap, Samples: n, Of: 100}}
			}
			o.judged = append(o.judged, j)
		}
		if got := o.notices(o.tally()); len(got) > 0 != tt.want {
			t.Errorf("%s with %v of 100 samples missing: notices %+v, want any: %t", tt.output, tt.missing, got, tt.want)
		}
	}
}

func TestLooksDiffer(t *testing.T) {
	t.Parallel()
	if got := lookOf("A", 0, 1); got != single {
		t.Errorf("a series alone: %+v", got)
	}
	hues := map[string]string{}
	for _, ref := range []string{"A", "B", "C", "D", "E", "F", "G", "H"} {
		l := lookOf(ref, 0, 2)
		if other, ok := hues[l.line]; ok {
			t.Errorf("queries %s and %s begin with %s", other, ref, l.line)
		}
		hues[l.line] = ref
	}
	if lookOf("B", 0, 1).line == single.line {
		t.Error("one series of A and one of B look alike")
	}
}

// Episodes that a table leaves out are told: the newest are in it.
func TestOlderEpisodesAreTold(t *testing.T) {
	t.Parallel()
	kind, err := readQuery([]byte(`{"expr":"up","output":"intervals"}`), defaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	for _, extra := range []int{0, 3} {
		o := &outcome{query: kind.(*detectQuery), shown: series.Grid{Step: minute, N: 1}}
		one := judged{name: "a"}
		for i := range maxRows + extra {
			one.episodes = append(one.episodes, detect.Episode{Began: int64(i) * minute, Confirmed: int64(i) * minute, Ended: int64(i+1) * minute, Direction: "up"})
		}
		o.judged, o.answer.Set.Members = []judged{one}, []series.Series{{}}
		for _, frames := range []data.Frames{o.intervalFrames(), o.annotationFrames()} {
			o.describe(frames)
			if n := frames[0].Rows(); n != maxRows || !frames[0].Fields[0].At(0).(time.Time).Equal(date(int64(extra)*minute)) {
				t.Errorf("%d rows from %v, want the newest %d", n, frames[0].Fields[0].At(0), maxRows)
			}
			want := []data.Notice(nil)
			if extra > 0 {
				want = []data.Notice{{Severity: data.NoticeSeverityWarning, Text: "Shown are the newest 5000 of 5003 episodes: show a shorter range, narrow the query, or aggregate it."}}
			}
			if diff := cmp.Diff(want, frames[0].Meta.Notices); diff != "" {
				t.Errorf("%d too many (-want +got):\n%s", extra, diff)
			}
		}
	}
}
