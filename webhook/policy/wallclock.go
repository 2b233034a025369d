package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// naive is a reading of a wall clock: a date and a time of day without a zone,
// kept as if it were UTC.
type naive struct{ time.Time }

// parseNaive reads "2026-01-05 09:00" or "2026-01-05".
func parseNaive(text string) (naive, error) {
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return naive{t}, nil
		}
	}
	return naive{}, fmt.Errorf(`got %q, want a date and a time of day like "2026-01-05 09:00"`, clip(text, 40))
}

// naiveOf is what a wall clock in the zone shows at a moment.
func naiveOf(t time.Time, loc *time.Location) naive {
	l := t.In(loc)
	return naive{time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), time.UTC)}
}

// in is the moment at which a wall clock in the zone first shows n, or, when a
// change of the clocks skips n, the moment of that change. Later readings are
// never earlier moments.
func (n naive) in(loc *time.Location) time.Time {
	// The offsets a day before and after are those of either side of a change:
	// no zone changes twice within two days.
	var offsets [2]time.Duration
	for i, d := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, sec := n.Add(d).In(loc).Zone()
		offsets[i] = time.Duration(sec) * time.Second
	}
	before, after := n.Add(-offsets[0]), n.Add(-offsets[1])
	fits := func(t time.Time) bool { return naiveOf(t, loc).Equal(n.Time) }
	switch {
	case fits(before) && fits(after) && after.Before(before):
		return after
	case fits(before):
		return before
	case fits(after):
		return after
	}
	// Skipped: the change lies between; n read with the offset before it is after the change.
	_, change := before.Add(-24 * time.Hour).In(loc).ZoneBounds()
	if change.IsZero() {
		return before
	}
	return change.UTC()
}

// Turn is how long one turn lasts: "daily", "weekly", or a duration such as 12h
// or 3d, counted in wall-clock time. The zero value is weekly.
type Turn Duration

// String is the text form.
func (t Turn) String() string {
	switch t.length() {
	case 24 * time.Hour:
		return "daily"
	case 7 * 24 * time.Hour:
		return "weekly"
	}
	return Duration(t).String()
}

// MarshalText writes what String says.
func (t Turn) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the text form.
func (t *Turn) UnmarshalText(text []byte) error {
	switch string(text) {
	case "daily":
		*t = Turn(24 * time.Hour)
	case "weekly":
		*t = Turn(7 * 24 * time.Hour)
	default:
		var d Duration
		if err := d.UnmarshalText(text); err != nil || d < Duration(time.Minute) {
			return fmt.Errorf("turn %q: want daily, weekly, or a duration of at least 1m, such as 12h or 3d", clip(string(text), 40))
		}
		*t = Turn(d)
	}
	return nil
}

func (t Turn) length() time.Duration {
	if t <= 0 {
		return 7 * 24 * time.Hour
	}
	return time.Duration(t)
}

// Window is a part of some days: from one time of day to another, over midnight
// when the end is not after the beginning. The day is that of the beginning.
type Window struct {
	Days []Weekday `json:"days,omitempty" yaml:"days"` // empty: all
	From Clock     `json:"from" yaml:"from"`
	To   Clock     `json:"to" yaml:"to"`
}

// on is the window that begins on the day of n; false when that is not one of
// its days.
func (w Window) on(day naive, loc *time.Location) (from, to time.Time, ok bool) {
	if len(w.Days) > 0 && !slices.Contains(w.Days, Weekday(day.Weekday())) {
		return from, to, false
	}
	end := day
	if w.To <= w.From {
		end = naive{day.AddDate(0, 0, 1)}
	}
	return naive{day.Add(time.Duration(w.From))}.in(loc), naive{end.Add(time.Duration(w.To))}.in(loc), true
}

func (w Window) has(t time.Time, loc *time.Location) bool {
	day := naive{naiveOf(t, loc).Truncate(24 * time.Hour)}
	for _, back := range []int{0, 1} {
		if from, to, ok := w.on(naive{day.AddDate(0, 0, -back)}, loc); ok && !t.Before(from) && t.Before(to) {
			return true
		}
	}
	return false
}

func (w Window) edges(from, until time.Time, loc *time.Location, add func(time.Time)) {
	day := naive{naiveOf(from, loc).Truncate(24*time.Hour).AddDate(0, 0, -1)}
	for last := naiveOf(until, loc); !day.After(last.Time); day = (naive{day.AddDate(0, 0, 1)}) {
		if a, b, ok := w.on(day, loc); ok {
			add(a)
			add(b)
		}
	}
}

// Clock is a time of day, "00:00" to "24:00".
type Clock time.Duration

// String is the text form.
func (c Clock) String() string {
	return fmt.Sprintf("%02d:%02d", int(time.Duration(c).Hours()), int(time.Duration(c).Minutes())%60)
}

// MarshalText writes what String says.
func (c Clock) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the text form.
func (c *Clock) UnmarshalText(text []byte) error {
	if string(text) == "24:00" {
		*c = Clock(24 * time.Hour)
		return nil
	}
	t, err := time.Parse("15:04", string(text))
	if err != nil {
		return fmt.Errorf("time of day %q: want 00:00 to 24:00", clip(string(text), 20))
	}
	*c = Clock(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute)
	return nil
}

// Weekday is a day of the week, "mon" to "sun".
type Weekday time.Weekday

// String is the text form.
func (d Weekday) String() string { return strings.ToLower(time.Weekday(d).String()[:3]) }

// MarshalText writes what String says.
func (d Weekday) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the text form, and the whole English name.
func (d *Weekday) UnmarshalText(text []byte) error {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if s := strings.ToLower(string(text)); s == Weekday(day).String() || s == strings.ToLower(day.String()) {
			*d = Weekday(day)
			return nil
		}
	}
	return fmt.Errorf("day %q: want one of mon, tue, wed, thu, fri, sat, sun", clip(string(text), 20))
}
