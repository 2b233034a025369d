package baseline

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/foreshock/foreshock/pkg/series"
)

// made returns days of one sample a minute from a fixed seed, from a midnight in the zone on.
func made(days int, zone *time.Location, value func(local time.Time, rng *rand.Rand) float64) series.Series {
	rng := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, zone) // a Monday
	s := series.New(nil, series.Grid{Start: start.UnixMilli(), Step: 60_000, N: days * 24 * 60})
	for i := range s.Values {
		s.Values[i] = value(time.UnixMilli(s.Grid.At(i)).In(zone), rng)
	}
	return s
}

func hours(t time.Time) float64 { return float64(t.Hour()) + float64(t.Minute())/60 }

func predicted(t *testing.T, f Fit, after series.Series, n int) (Band, series.Grid) {
	t.Helper()
	g := series.Grid{Start: after.Grid.End(), Step: after.Grid.Step, N: n}
	b := NewBand(n)
	f.Model.Predict(series.New(nil, g), b)
	return b, g
}

func TestSeasonalFollowsTheDay(t *testing.T) {
	t.Parallel()
	shape := func(h float64) float64 { return 100 + 50*math.Sin(2*math.Pi*h/24) }
	s := made(7, time.UTC, func(at time.Time, rng *rand.Rand) float64 { return shape(hours(at)) + 4*rng.NormFloat64() })
	f, err := NewSeasonal().Fit(s, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	b, g := predicted(t, f, s, 24*60)
	for i := range b.Center {
		want := shape(hours(time.UnixMilli(g.At(i)).UTC()))
		if math.Abs(b.Center[i]-want) > 2.5 {
			t.Fatalf("minute %d: centre %.1f, want %.1f", i, b.Center[i], want)
		}
		// Half of normal noise lies within 0.67σ: the usual distance is σ.
		if b.Up[i] < 2.5 || b.Up[i] > 6 || b.Down[i] < 2.5 || b.Down[i] > 6 {
			t.Fatalf("minute %d: distances %.2f up, %.2f down, want about 4", i, b.Up[i], b.Down[i])
		}
		// No steps at the edges of buckets.
		if i > 0 && math.Abs(b.Center[i]-b.Center[i-1]) > 0.5 {
			t.Fatalf("minute %d: the centre jumps from %.2f to %.2f", i, b.Center[i-1], b.Center[i])
		}
	}
}

// Office hours follow the wall clock: after the change to summer time the peak comes an hour earlier in UTC.
func TestSeasonalFollowsTheWallClock(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	office := func(at time.Time, rng *rand.Rand) float64 {
		if h := at.Hour(); h >= 9 && h < 17 {
			return 100 + rng.NormFloat64()
		}
		return 10 + rng.NormFloat64()
	}
	s := made(27, zone, office) // 2 to 29 March 2026; the clocks change on the 29th at 2:00
	f, err := NewSeasonal().Fit(s, zone)
	if err != nil {
		t.Fatal(err)
	}
	b, g := predicted(t, f, s, 24*60)
	for i, c := range b.Center {
		at := time.UnixMilli(g.At(i)).In(zone)
		if m := at.Minute(); (at.Hour() == 9 || at.Hour() == 17 || at.Hour() == 8 || at.Hour() == 16) && (m < 20 || m > 40) {
			continue // the blended edge
		}
		if want := office(at, rand.New(rand.NewPCG(0, 0))); math.Abs(c-want) > 8 {
			t.Fatalf("%s: centre %.0f, want %.0f", at, c, want)
		}
	}
}

func TestSeasonalLearnsTheWeek(t *testing.T) {
	t.Parallel()
	value := func(at time.Time, rng *rand.Rand) float64 {
		v := 100 + 20*math.Sin(2*math.Pi*hours(at)/24) + 2*rng.NormFloat64()
		if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
			v -= 60
		}
		return v
	}
	s := made(26, time.UTC, value) // ends on Friday night
	centre := func(week string) float64 {
		o := NewSeasonal()
		o.Week = week
		f, err := o.Fit(s, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := predicted(t, f, s, 12*60)
		return b.Center[11*60]
	}
	weekend := 100 + 20*math.Sin(2*math.Pi*11/24) - 60
	if off, on := math.Abs(centre("off")-weekend), math.Abs(centre("auto")-weekend); off < 40 || on > 20 {
		t.Errorf("Saturday is missed by %.1f without the week and by %.1f with it", off, on)
	}
}

// The nightly backup is not news, at its own time; at another time it is.
func TestSeasonalExpectsWhatRecurs(t *testing.T) {
	t.Parallel()
	value := func(at time.Time, rng *rand.Rand) float64 {
		v := 50 + rng.NormFloat64()
		if m := at.Hour()*60 + at.Minute(); m >= 121 && m < 126 {
			v += 200
		}
		return v
	}
	s := made(7, time.UTC, value)
	score := func(recurring int, minute int) float64 {
		o := NewSeasonal()
		o.Recurring = recurring
		f, err := o.Fit(s, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := predicted(t, f, s, 24*60)
		return b.Score(minute, 250)
	}
	if with, without := score(3, 123), score(0, 123); with > 4 || without < 50 {
		t.Errorf("at its time the backup scores %.1f, %.1f without the rule", with, without)
	}
	if other := score(3, 600); other < 50 {
		t.Errorf("the same at ten o'clock scores %.1f", other)
	}
}

func TestSeasonalTrend(t *testing.T) {
	t.Parallel()
	s := made(7, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		return float64(at.Unix()-1_772_409_600)/86400*30 + 10*math.Sin(2*math.Pi*hours(at)/24) + rng.NormFloat64()
	})
	missed := func(trend bool) float64 {
		o := NewSeasonal()
		o.Trend = trend
		f, err := o.Fit(s, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		b, g := predicted(t, f, s, 60)
		at := time.UnixMilli(g.At(30)).UTC()
		return math.Abs(b.Center[30] - (float64(at.Unix()-1_772_409_600)/86400*30 + 10*math.Sin(2*math.Pi*hours(at)/24)))
	}
	if with, without := missed(true), missed(false); with > 5 || without < 60 {
		t.Errorf("a rise of 30 a day is missed by %.1f with the trend and by %.1f without", with, without)
	}
}

// An anomaly in the training window moves neither the centre nor the distances, and does not vouch for itself.
func TestSeasonalIsRobust(t *testing.T) {
	t.Parallel()
	value := func(at time.Time, rng *rand.Rand) float64 {
		return 100 + 30*math.Sin(2*math.Pi*hours(at)/24) + 3*rng.NormFloat64()
	}
	clean := made(7, time.UTC, value)
	dirty := made(7, time.UTC, value)
	from := 4 * 24 * 60
	for i := from; i < from+180; i++ {
		dirty.Values[i] = 5000
	}
	a, err := NewSeasonal().Fit(clean, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewSeasonal().Fit(dirty, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	pa, _ := predicted(t, a, clean, 24*60)
	pb, _ := predicted(t, b, dirty, 24*60)
	for i := range pa.Center {
		if math.Abs(pa.Center[i]-pb.Center[i]) > 2 || pb.Up[i] > 2*pa.Up[i] {
			t.Fatalf("minute %d: centre %.1f and distance %.1f become %.1f and %.1f", i, pa.Center[i], pa.Up[i], pb.Center[i], pb.Up[i])
		}
	}
	if h := b.Held[from+90]; h < 100 {
		t.Errorf("held out, the anomaly scores %.1f", h)
	}
}

// A weekend on another level and an incident on the same side leave few samples of ordinary days on that side; the band does not follow the incident.
func TestSeasonalIncidentBesideWeekend(t *testing.T) {
	t.Parallel()
	value := func(at time.Time, rng *rand.Rand) float64 {
		v := 600 + 4*rng.NormFloat64()
		if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
			v -= 100
		}
		return v
	}
	s := made(7, time.UTC, value)
	for i := 3*24*60 + 14*60; i < 3*24*60+15*60+30; i++ {
		s.Values[i] /= 2
	}
	f, err := NewSeasonal().Fit(s, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := predicted(t, f, s, 24*60)
	for i := range b.Down {
		if b.Down[i] > 40 {
			t.Fatalf("minute %d: the usual distance below is %.0f, the noise is 4", i, b.Down[i])
		}
	}
}

func TestFitErrors(t *testing.T) {
	t.Parallel()
	whole := made(7, time.UTC, func(time.Time, *rand.Rand) float64 { return 5 })
	nightOnly := made(7, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		if at.Hour() < 6 {
			return rng.NormFloat64()
		}
		return math.NaN()
	})
	for _, name := range Baselines.Names() {
		b, err := Baselines.New(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Fit(whole, nil); !errors.Is(err, ErrConstant) {
			t.Errorf("%s: constant: %v", name, err)
		}
		if _, err := b.Fit(whole.Slice(0, 5), nil); !errors.Is(err, ErrTooShort) {
			t.Errorf("%s: five samples: %v", name, err)
		}
	}
	if _, err := NewSeasonal().Fit(nightOnly, time.UTC); !errors.Is(err, ErrTooShort) {
		t.Errorf("a quarter of the day: %v", err)
	}
}

func FuzzUnmarshal(f *testing.F) {
	s := made(3, time.UTC, func(at time.Time, rng *rand.Rand) float64 { return rng.NormFloat64() })
	for _, name := range Baselines.Names() {
		b, _ := Baselines.New(name, nil)
		fit, err := b.Fit(s, nil)
		if err != nil {
			f.Fatal(err)
		}
		raw, _ := fit.Model.MarshalBinary()
		f.Add(raw)
		f.Add(raw[:len(raw)/2])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Unmarshal(raw)
		if err != nil {
			return
		}
		w := series.New(nil, series.Grid{Start: 1_000_000_020_000, Step: 60_000, N: 100})
		m.Predict(w, NewBand(100))
	})
}

func BenchmarkFit(b *testing.B) {
	s := made(7, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		return 100 + 30*math.Sin(2*math.Pi*hours(at)/24) + 3*rng.NormFloat64()
	})
	for _, name := range Baselines.Names() {
		bl, _ := Baselines.New(name, nil)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := bl.Fit(s, time.UTC); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A position in the middle of the first bucket may come out a hair below it: 450,000 ms · (96 / day) is 0.4999…
func TestAtTheMiddleOfTheFirstBucket(t *testing.T) {
	t.Parallel()
	p := make([]float64, 96)
	p[0], p[95] = 7, 5
	for _, x := range []float64{0.5, math.Nextafter(0.5, 0), math.Nextafter(0.5, 1), float64(450_000) * (96.0 / 86_400_000)} {
		if got := at(p, x); math.Abs(got-7) > 1e-9 {
			t.Errorf("at %v: got %v, want 7", x, got)
		}
	}
}
