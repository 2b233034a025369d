package baseline

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/pkg/series"
)

func fitted(t *testing.T, o *Seasonal, s series.Series) Fit {
	t.Helper()
	f, err := o.Fit(s, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// After a lasting shift the level is the new one and the shape of the day that of all days, wherever in the window it lies; two days after it at the latest.
func TestSeasonalTakesTheNewestLevel(t *testing.T) {
	t.Parallel()
	shape := func(at time.Time) float64 { return 30 * math.Sin(2*math.Pi*hours(at)/24) }
	for _, after := range []int{2, 3, 4, 5} { // days of the new level
		s := made(18, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
			x := 100 + shape(at) + 3*rng.NormFloat64()
			if at.Day() >= 20-after {
				x += 200
			}
			return x
		}).Slice(11*1440, 18*1440) // Friday the 13th to Thursday the 19th
		b, g := predicted(t, fitted(t, NewSeasonal(), s), s, 24*60)
		for i, c := range b.Center {
			want := 300 + shape(time.UnixMilli(g.At(i)).UTC())
			if math.Abs(c-want) > 4 || b.Up[i] > 8 || b.Down[i] > 8 {
				t.Fatalf("%d days after the shift, minute %d: centre %.0f ± %.1f, %.1f, want %.0f", after, i, c, b.Up[i], b.Down[i], want)
			}
		}
	}
}

// One odd day is no new level.
func TestSeasonalKeepsTheLevelAfterAnOddDay(t *testing.T) {
	t.Parallel()
	s := made(7, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		x := 100 + 3*rng.NormFloat64()
		if at.Day() == 8 {
			x += 200
		}
		return x
	})
	b, _ := predicted(t, fitted(t, NewSeasonal(), s), s, 60)
	if math.Abs(b.Center[30]-100) > 3 {
		t.Errorf("centre %.0f, want 100", b.Center[30])
	}
}

// A weekend on another level, also at the end of the window, is no shift.
func TestSeasonalKeepsTheLevelAfterAWeekend(t *testing.T) {
	t.Parallel()
	s := made(7, time.UTC, func(at time.Time, rng *rand.Rand) float64 { // Monday to Sunday
		x := 500 + 3*rng.NormFloat64()
		if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
			x -= 300
		}
		return x
	})
	b, _ := predicted(t, fitted(t, NewSeasonal(), s), s, 24*60)
	if c := b.Center[600]; math.Abs(c-500) > 5 {
		t.Errorf("on Monday %.0f is expected, want 500", c)
	}
}

// An hourly job and a machine's own period of 97 minutes are expected at their times.
func TestSeasonalFindsOtherPeriods(t *testing.T) {
	t.Parallel()
	for _, period := range []int{60, 97} {
		value := func(i int, rng *rand.Rand) float64 {
			x := 100 + 20*math.Sin(2*math.Pi*float64(i)/1440) + 2*rng.NormFloat64()
			if i%period < period/5 {
				x += 40
			}
			return x
		}
		rng := rand.New(rand.NewPCG(1, 3))
		all := series.New(nil, series.Grid{Start: 1_772_409_600_000, Step: 60_000, N: 8 * 1440})
		for i := range all.Values {
			all.Values[i] = value(i, rng)
		}
		s := all.Slice(0, 7*1440)
		missed := func(periods string) float64 {
			o := NewSeasonal()
			o.Periods = periods
			b, _ := predicted(t, fitted(t, o, s), s, 1440)
			sum := 0.0
			for i, c := range b.Center {
				sum += math.Abs(all.Values[7*1440+i]-c) / 1440
			}
			return sum
		}
		if with, without := missed("auto"), missed("off"); with > 4 || without < 6 {
			t.Errorf("a period of %d min is missed by %.1f with the search and by %.1f without", period, with, without)
		}
	}
}

// A holiday in the window does not bend ordinary days. One to come is judged by the one that was seen, and with a wider band.
func TestSeasonalCalendar(t *testing.T) {
	t.Parallel()
	holiday := func(at time.Time) bool { return at.Day() == 4 || at.Day() == 5 || at.Day() == 16 } // of March 2026
	s := made(14, time.UTC, func(at time.Time, rng *rand.Rand) float64 {
		x := 400 + 100*math.Sin(2*math.Pi*hours(at)/24) + 5*rng.NormFloat64()
		if holiday(at) {
			x -= 250
		}
		return x
	})
	with := func(entries ...string) *Seasonal {
		o := NewSeasonal()
		o.Calendar = entries
		o.Week = "off"
		return o
	}
	at := 9 * 60
	want := 400 + 100*math.Sin(2*math.Pi*9/24)
	plain, _ := predicted(t, fitted(t, with(), s), s, 24*60) // the next day is the 16th
	seen, _ := predicted(t, fitted(t, with("2026-03-04/2026-03-05", "2026-03-16"), s), s, 24*60)
	unseen, _ := predicted(t, fitted(t, with("sale:2026-03-16"), s), s, 24*60)
	if d := want - 250*2.0/3; math.Abs(seen.Center[at]-d) > 10 { // two days count two thirds
		t.Errorf("after two such days %.0f is expected, want %.0f", seen.Center[at], d)
	}
	if k := unseen.Down[at] / plain.Down[at]; math.Abs(k-3) > 0.3 || math.Abs(unseen.Center[at]-want) > 10 {
		t.Errorf("of a class never seen: %.0f ± %.0f, want %.0f and three times %.0f", unseen.Center[at], unseen.Down[at], want, plain.Down[at])
	}
	f := fitted(t, with("2026-03-04/2026-03-05"), s)
	if h := f.Held[3*1440]; h == h {
		t.Errorf("a sample of the second holiday was held out with a score of %.1f, want none", h)
	}
	ordinary, _ := predicted(t, f, s, 24*60)
	if math.Abs(ordinary.Center[at]-want) > 5 || ordinary.Down[at] > 8 {
		t.Errorf("an ordinary day: %.0f ± %.1f, want %.0f", ordinary.Center[at], ordinary.Down[at], want)
	}
	// It survives being written.
	m := fitted(t, with("2026-03-04/2026-03-05", "sale:2026-03-16"), s).Model
	raw, _ := m.MarshalBinary()
	again, err := Unmarshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	g := series.Grid{Start: s.Grid.End(), Step: 60_000, N: 1440}
	a, b := NewBand(1440), NewBand(1440)
	m.Predict(series.New(nil, g), a)
	again.Predict(series.New(nil, g), b)
	for i := range a.Center {
		if a.Center[i] != b.Center[i] || a.Down[i] != b.Down[i] {
			t.Fatalf("minute %d: %v ± %v, read back %v ± %v", i, a.Center[i], a.Down[i], b.Center[i], b.Down[i])
		}
	}
}

func TestSeasonalCalendarErrors(t *testing.T) {
	t.Parallel()
	_, err := Baselines.New("seasonal", registry.FromJSON([]byte(`{"calendar": ["12-25", "2026-13-01"]}`)))
	if err == nil || !strings.HasPrefix(err.Error(), `baseline seasonal: parameter "calendar": entry 2, "2026-13-01": "2026-13-01" is no date; want a day like`) {
		t.Errorf("got %v", err)
	}
	o := NewSeasonal()
	o.Calendar = []string{"2026-01-01/2026-12-31"}
	s := made(7, time.UTC, func(_ time.Time, rng *rand.Rand) float64 { return rng.NormFloat64() })
	if _, err := o.Fit(s, time.UTC); !errors.Is(err, ErrTooShort) {
		t.Errorf("nothing but holidays: %v", err)
	}
}
