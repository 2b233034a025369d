package detect

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

// changed returns a fixture's series with some samples replaced.
func changed(s series.Series, change func(values []float64)) series.Series {
	c := series.New(s.Labels, s.Grid)
	copy(c.Values, s.Values)
	change(c.Values)
	return c
}

func judgeAll(t *testing.T, j Judge, s series.Series, from int) Verdicts {
	t.Helper()
	v, err := j.Series(context.Background(), s, s.Grid.At(from), s.Grid.End()-s.Grid.Step)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A stuck exporter is shown as flat, after half an hour, and with a score.
func TestFlat(t *testing.T) {
	t.Parallel()
	s, at := fixtures()[0].s, 11*24*60
	stuck := changed(s, func(v []float64) {
		for i := at; i < at+120; i++ {
			v[i] = v[at]
		}
	})
	v := judgeAll(t, seasonalJudge(t), stuck, at-60)
	for i, want := range map[int]State{60 + 29: OK, 60 + 30: Flat, 60 + 119: Flat, 60 + 120: OK} {
		if v.State[i] != want || v.Score[i] != v.Score[i] {
			t.Errorf("sample %d: state %v with score %v, want %v with one", i-60, v.State[i], v.Score[i], want)
		}
	}
}

// A series that rests at its floor for hours each night is not flat there.
func TestRestingIsNotFlat(t *testing.T) {
	t.Parallel()
	s := daily("resting", func(at int64, rng *rand.Rand) float64 { return max(0, 100*wave(at)+5*rng.NormFloat64()) }).s
	v := judgeAll(t, seasonalJudge(t), s, 9*24*60)
	for i, st := range v.State {
		if st == Flat {
			t.Fatalf("sample %d is flat", i)
		}
	}
}

// A counter that is reset goes on as if it had not been, but for the sample itself; a gauge that falls is judged.
func TestReset(t *testing.T) {
	t.Parallel()
	total := 1e6
	whole := daily("counter", func(at int64, rng *rand.Rand) float64 {
		total += 100 + 50*wave(at) + 10*rng.Float64()
		return total
	}).s
	at := 11*24*60 + 77
	whole.Labels = series.FromMap(map[string]string{"__name__": "http_requests_total"})
	base := whole.Values[at-1]
	cut := changed(whole, func(v []float64) {
		for i := at; i < len(v); i++ {
			v[i] -= base
		}
	})
	j := seasonalJudge(t)
	want, got := judgeAll(t, j, whole, at-100), judgeAll(t, j, cut, at-100)
	for i := range want.Score {
		switch {
		case i == 100:
			if got.State[i] != Reset || got.Score[i] == got.Score[i] {
				t.Errorf("the reset: %v, score %v", got.State[i], got.Score[i])
			}
		case math.Abs(got.Score[i]-want.Score[i]) > 1e-6:
			t.Fatalf("sample %d after the reset: score %v, without it %v", i-100, got.Score[i], want.Score[i])
		case i > 100 && math.Abs(got.Expected[i]-(want.Expected[i]-base)) > 1e-6*base:
			t.Fatalf("sample %d after the reset: expected %v, want %v", i-100, got.Expected[i], want.Expected[i]-base)
		}
	}
	// A disk that fills and is emptied is no counter.
	disk := cut
	disk.Labels = series.FromMap(map[string]string{"__name__": "disk_used_bytes"})
	if v := judgeAll(t, j, disk, at-100); v.State[100] == Reset {
		t.Error("a gauge was taken for a counter")
	}
	gauge := judgeAll(t, j, changed(fixtures()[0].s, func(v []float64) { clear(v[at:]) }), at-100)
	if gauge.State[100] != OK || len(gauge.Episodes) != 1 || gauge.Episodes[0].Direction != "down" {
		t.Errorf("a gauge that fell to zero: %v, %+v", gauge.State[100], gauge.Episodes)
	}
}

// A series that stops is stale from half an hour on; where the policy watches for it, it is one episode, from any range, until it returns.
func TestAbsent(t *testing.T) {
	t.Parallel()
	s, at := fixtures()[0].s, 11*24*60
	gone := changed(s, func(v []float64) {
		for i := at; i < at+180; i++ {
			v[i] = math.NaN()
		}
	})
	j := seasonalJudge(t)
	v := judgeAll(t, j, gone, at-60)
	for i, want := range map[int]State{59: OK, 60: Gap, 60 + 28: Gap, 60 + 29: Stale, 60 + 179: Stale, 60 + 180: OK} {
		if v.State[i] != want {
			t.Errorf("sample %d after it stopped: %v, want %v", i-60, v.State[i], want)
		}
	}
	if len(v.Episodes) > 0 {
		t.Errorf("nobody asked for an episode: %+v", v.Episodes)
	}
	j.Policy.Absent = registry.Duration(time.Hour)
	for _, from := range []int{at - 3000, at - 60, at + 10, at + 100, at + 170} {
		v = judgeAll(t, j, gone, from)
		for i := range v.Score {
			after := from + i - at
			if want := after >= 59 && after < 180; v.Anomalous[i] != want || (v.Onset[i] == 1) != (after == 59) {
				t.Fatalf("from %d, sample %d after it stopped: anomalous %v, onset %v", from-at, after, v.Anomalous[i], v.Onset[i])
			}
		}
		if len(v.Episodes) != 1 || v.Episodes[0].Began != s.Grid.At(at) || v.Episodes[0].Confirmed != s.Grid.At(at+59) || v.Episodes[0].Ended != s.Grid.At(at+180) {
			t.Fatalf("from %d: episodes %+v", from-at, v.Episodes)
		}
	}
	if reason := v.Episodes[0].Explain("en", nil, 60_000); !strings.Contains(reason, "no samples since 2023-11-2") {
		t.Errorf("reason: %s", reason)
	}
	// Nobody is alarmed at muted times, and somebody when they are over.
	clock := func(i int) string { return time.UnixMilli(s.Grid.At(i)).UTC().Format("15:04") }
	muting := j
	muting.Policy.Mute = []string{"daily " + clock(at+30) + "/" + clock(at+90)}
	v = judgeAll(t, muting, gone, at-60)
	if len(v.Episodes) != 1 || v.Episodes[0].Confirmed != s.Grid.At(at+90) || v.Anomalous[60+89] || !v.Anomalous[60+90] || v.Onset[60+90] != 1 {
		t.Errorf("muted: %+v", v.Episodes)
	}
	late := j.Policy
	late.Absent = 7 * registry.Day
	if err := j.Walk.Fits(late); err == nil || err.Error() != `parameter "absent": got 7d, want at most train − horizon, which is 6d: a series that is missing for longer is forgotten` {
		t.Errorf("an absence longer than the window: %v", err)
	}
	// One that never came regularly may stay away.
	seldom := changed(gone, func(v []float64) {
		for i := range v {
			if i%3 != 0 {
				v[i] = math.NaN()
			}
		}
	})
	if v = judgeAll(t, j, seldom, at-60); len(v.Episodes) > 0 {
		t.Errorf("a series with gaps: %+v", v.Episodes)
	}
}

// The reason tells what a reader can check: the same hour of the days before, and of the same day last week.
func TestEvidence(t *testing.T) {
	t.Parallel()
	s, at := fixtures()[0].s, 11*24*60
	spiked := changed(s, func(v []float64) {
		for i := at; i < at+10; i++ {
			v[i] = 900
		}
	})
	v := judgeAll(t, seasonalJudge(t), spiked, at-60)
	if len(v.Episodes) != 1 {
		t.Fatalf("episodes %+v", v.Episodes)
	}
	e := v.Episodes[0].Evidence
	if e.Days != 7 || e.Reached != 0 || !(e.High < 400) || !(e.LastWeekHigh <= e.High) || !(e.Low <= e.LastWeekLow) {
		t.Errorf("evidence %+v", e)
	}
	for lang, want := range map[string][]string{
		"en":      {"900 is ", " × the usual distance above the expected ", "usual Saturday 22:1", "for 10m since 2023-11-25 22:14:00 UTC; at this hour never above ", " in the 7 days before, last Saturday at most ", "(score "},
		"zh-Hans": {"900 超出周六 22:1", "自 2023-11-25 22:14:00 UTC 起异常 10m；此前 7 天的同一时段从未高于 ", "上周六最高 "},
	} {
		got := v.Episodes[0].Explain(lang, time.UTC, 60_000)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %s\nlacks %q", lang, got, w)
			}
		}
	}
}
