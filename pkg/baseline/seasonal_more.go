package baseline

import (
	"math"
	"slices"
	"time"

	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
	"github.com/foreshock/foreshock/pkg/wire"
)

// What a seasonal profile knows besides the day and the week: level shifts, other periods, the calendar.

// align finds lasting shifts and moves the samples before them to the newest level. Where a level begins on a weekend, weekends are left out of the search: another level on
// them is usual, and which it is shows on Monday.
func (f *seasonalFit) align() {
	levels := season.Levels(f.values, f.grid)
	if slices.ContainsFunc(levels[1:], func(l season.Level) bool { return weekend(f.hour[l.From]) }) {
		weekdays := slices.Clone(f.values)
		for i, h := range f.hour {
			if day := h / 24; day == int32(time.Saturday) || day == int32(time.Sunday) {
				weekdays[i] = nan
			}
		}
		levels = season.Levels(weekdays, f.grid)
	}
	if len(levels) == 1 {
		return
	}
	f.shifts = levels
	f.values = slices.Clone(f.values)
	f.above = make([]float64, len(f.values))
	settled := int(season.DayMillis / 2 / f.grid.Step)
	reference := levels[0].Offset
	for _, l := range levels {
		for i := l.From; i < l.To; i++ {
			f.values[i] -= l.Offset
			if i == 0 || f.fold[i] != f.fold[i-1] {
				reference = levelAt(levels, i-settled)
			}
			f.above[i] = l.Offset - reference
		}
	}
}

// weekend reports whether an hour of the week lies between Friday evening and Monday noon.
func weekend(hour int32) bool {
	return hour < int32(time.Monday)*24+12 || hour >= int32(time.Friday)*24+18
}

// levelAt returns the offset of the newest level that began at that sample or before.
func levelAt(levels []season.Level, i int) float64 {
	offset := levels[0].Offset
	for _, l := range levels {
		if l.From <= i {
			offset = l.Offset
		}
	}
	return offset
}

// otherPeriod is a period that follows no wall clock, and its profile.
type otherPeriod struct {
	millis  float64
	profile []float64
}

// position returns where in the profile a time after the origin lies.
func (o otherPeriod) position(after int64) float64 {
	turn := float64(after) / o.millis
	return (turn - math.Floor(turn)) * float64(len(o.profile))
}

const (
	// searched is how many values other periods are looked for in at the most: more are averaged. It keeps the search below the cost of the rest of the fit, and finds
	// what comes at least every eight minutes in a week of minutes.
	searched = 2520
	// otherLimit is how many there may be, otherPhases how finely they are drawn.
	otherLimit, otherPhases = 2, 96
	// otherGain is how much smaller the usual held-out residual must be for one to be kept.
	otherGain = 0.8
)

// others adds periods that the residuals show, where they predict held-out days better.
func (f *seasonalFit) others() {
	every := (len(f.in) + searched - 1) / searched
	thin := series.New(nil, series.Grid{Start: f.grid.Start, Step: f.grid.Step * int64(every), N: len(f.in) / every})
	for k := range thin.Values {
		sum, n := 0.0, 0.0
		for _, r := range f.in[k*every : (k+1)*every] {
			if r == r {
				sum += r
				n++
			}
		}
		thin.Values[k] = sum / n // NaN for none
	}
	for _, p := range season.Periods(thin, otherLimit) {
		millis := p.Samples * float64(thin.Grid.Step)
		if days := math.Round(millis / season.DayMillis); days >= 1 && math.Abs(millis-days*season.DayMillis) < 0.05*millis {
			continue // the profile of the day has seen it
		}
		f.other(millis)
	}
}

// other adds one period where it predicts held-out days better.
func (f *seasonalFit) other(millis float64) {
	o := otherPeriod{millis: millis, profile: make([]float64, max(2, min(otherPhases, int(millis/float64(f.grid.Step)))))}
	phase, x := make([]int32, len(f.in)), make([]float64, len(f.in))
	for i := range phase {
		x[i] = o.position(f.grid.At(i) - f.origin)
		phase[i] = min(int32(x[i]), int32(len(o.profile)-1))
	}
	held := newProfile(f.out, phase, f.fold, len(o.profile), f.folds)
	_, out := f.residuals(f.out, held, x, 0, 1)
	if usual(out) > otherGain*usual(f.out) {
		return
	}
	f.out = out
	all := newProfile(f.in, phase, f.fold, len(o.profile), f.folds)
	f.in, _ = f.residuals(f.in, all, x, 1, 0)
	o.profile = all.median
	f.periods = append(f.periods, o)
}

// maxEntries is how many entries a calendar may have that is read back.
const maxEntries = 10_000

// classOfDays is what is known of the days of one class of the calendar: how far they lie above ordinary ones by hour, nil where nothing is known, and of how many days.
type classOfDays struct {
	days    int
	profile []float64
}

// stretch is how many times the usual distances count on days of that class: three times where none was seen, and less the more of them were.
func (c classOfDays) stretch() float64 { return 1 + 2/float64(c.days+1) }

// exclude takes what the calendar holds out of the samples that are learnt from.
func (f *seasonalFit) exclude(calendar season.Calendar) {
	if calendar.Empty() {
		return
	}
	clock := season.NewClock(f.zone)
	f.class = make([]int16, len(f.values))
	f.values = slices.Clone(f.values)
	for i := range f.values {
		f.class[i] = int16(calendar.Class(clock.Local(f.grid.At(i))))
		if f.class[i] >= 0 {
			f.values[i] = nan
		}
	}
}

// classes learns what is known of each class: medians by hour of what the model without it leaves, shrunk like the week.
func (f *seasonalFit) classes(calendar season.Calendar) []classOfDays {
	if calendar.Empty() {
		return nil
	}
	band := NewBand(len(f.given))
	f.model().Predict(series.Series{Grid: f.grid, Values: f.given}, band)
	level := func(int) float64 { return 0 }
	if f.shifts != nil {
		level = func(i int) float64 { return levelAt(f.shifts, i) }
	}
	clock := season.NewClock(f.zone)
	all := make([]classOfDays, len(calendar.Classes()))
	for k := range all {
		hours := make([][]float64, 24)
		days := map[int64]bool{}
		for i, c := range f.class {
			if int(c) == k && f.given[i] == f.given[i] {
				day, tod := clock.Day(f.grid.At(i))
				days[day] = true
				h := int(tod * 24 / season.DayMillis)
				hours[h] = append(hours[h], f.given[i]-band.Center[i]-level(i))
			}
		}
		if len(days) == 0 {
			continue
		}
		all[k].days = len(days)
		all[k].profile = make([]float64, 24)
		for h, rs := range hours {
			all[k].profile[h] = robust.MedianInPlace(rs) // NaN for none
		}
		fill(all[k].profile)
		shrink := float64(len(days)) / float64(len(days)+1)
		for h := range all[k].profile {
			all[k].profile[h] *= shrink
		}
	}
	return all
}

// holidays moves and widens the band where the calendar says so.
func (m *seasonal) holidays(g series.Grid, dst Band) {
	if m.calendar.Empty() || len(m.classes) == 0 {
		return
	}
	clock := season.NewClock(m.zone)
	for i := range dst.Center {
		t := g.At(i)
		k := m.calendar.Class(clock.Local(t))
		if k < 0 {
			continue
		}
		c := m.classes[k]
		if c.profile != nil {
			_, tod := clock.Day(t)
			dst.Center[i] += at(c.profile, float64(tod)*24/season.DayMillis)
		}
		dst.Up[i] *= c.stretch()
		dst.Down[i] *= c.stretch()
	}
}

// readMore reads the other periods and the calendar.
func (m *seasonal) readMore(r *wire.Reader) {
	others, entries, classes := r.Int(), r.Int(), r.Int()
	if others < 0 || others > otherLimit || entries < 0 || entries > maxEntries || classes < 0 || classes > entries {
		r.Fail()
		return
	}
	for range others {
		o := otherPeriod{millis: r.Float(), profile: r.Slice()}
		if !(o.millis > 0) || len(o.profile) < 2 {
			r.Fail()
			return
		}
		m.others = append(m.others, o)
	}
	for range entries {
		m.entries = append(m.entries, r.Text())
	}
	for range classes {
		c := classOfDays{days: int(r.Int()), profile: r.Slice()}
		if c.days < 0 || (c.profile != nil && len(c.profile) != 24) {
			r.Fail()
			return
		}
		m.classes = append(m.classes, c)
	}
	var err error
	if m.calendar, err = season.ParseCalendar(m.entries); err != nil || len(m.calendar.Classes()) != len(m.classes) {
		r.Fail()
		m.calendar, m.classes = season.Calendar{}, nil
	}
}
