package season

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Calendar is a set of holidays and known events on the wall clock of a zone, each with a class: days of one class are alike. The zero Calendar is empty. It is immutable and
// safe for concurrent use.
type Calendar struct {
	entries []entry
	classes []string
}

// entry is one line of a calendar: intervals of local time, once or recurring.
type entry struct {
	class int // index in classes
	every repeat
	// from and to bound the interval, to excluded, in local milliseconds: since 1970 for once, since the beginning of the year (of 366 days), week (Monday) or day for
	// what recurs. to ≤ from runs into the next year, week or day.
	from, to int64
}

type repeat uint8

const (
	once repeat = iota
	yearly
	weekly
	everyDay
)

// defaultClass is that of entries that name none.
const defaultClass = "holiday"

const calendarForms = "a day like 2026-10-01, days like 2026-10-01/2026-10-07, times like 2026-11-10T20:00/2026-11-12T02:00, what comes every year like 12-25 or 12-24/01-01, " +
	"every week like sat, sat/sun or sun 02:00/04:00, every day like daily 02:00/03:30, each with a class before it if wanted, like sale:11-11"

// ParseCalendar reads entries, one interval each. Days are whole local days, both ends included; times end just before their end.
//
//	2026-10-01                         a day
//	2026-10-01/2026-10-07              days
//	2026-11-10T20:00/2026-11-12T02:00  times
//	12-25, 12-24/01-01                 every year
//	sat, sat/sun, sun 02:00/04:00      every week
//	daily 02:00/03:30                  every day
//	sale:11-11                         with a class; without one it is "holiday"
//
// Blank entries are left out. The error names the entry, and what it may look like.
func ParseCalendar(texts []string) (Calendar, error) {
	var c Calendar
	for i, text := range texts {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		e, class, why := parseEntry(text)
		if why != "" {
			return Calendar{}, fmt.Errorf("entry %d, %q: %s; want %s", i+1, text, why, calendarForms)
		}
		if e.class = slices.Index(c.classes, class); e.class < 0 {
			e.class = len(c.classes)
			c.classes = append(c.classes, class)
		}
		c.entries = append(c.entries, e)
	}
	return c, nil
}

// Classes returns the names of the classes in the order in which they come first.
func (c Calendar) Classes() []string { return slices.Clone(c.classes) }

// Empty reports whether nothing is in it.
func (c Calendar) Empty() bool { return len(c.entries) == 0 }

// Class returns which class the local time (see Clock.Local) is of, as an index of Classes, −1 for an ordinary time. The first entry that holds it counts.
func (c Calendar) Class(local int64) int {
	for _, e := range c.entries {
		if e.holds(local) {
			return e.class
		}
	}
	return -1
}

func (e entry) holds(local int64) bool {
	t := local
	switch e.every {
	case yearly:
		t = sinceNewYear(local)
	case weekly:
		t = floorMod(local+3*DayMillis, 7*DayMillis) // day 0 was a Thursday
	case everyDay:
		t = floorMod(local, DayMillis)
	}
	if e.from < e.to {
		return t >= e.from && t < e.to
	}
	return t >= e.from || t < e.to
}

func floorMod(a, m int64) int64 { return (a%m + m) % m }

// sinceNewYear counts from the beginning of the year with a 29th of February in all of them.
func sinceNewYear(local int64) int64 {
	tod := floorMod(local, DayMillis)
	_, month, day := time.UnixMilli(local).UTC().Date()
	return dayOfYear(month, day)*DayMillis + tod
}

// dayOfYear counts from 0 in a leap year.
func dayOfYear(month time.Month, day int) int64 {
	return int64(time.Date(2000, month, day, 0, 0, 0, 0, time.UTC).YearDay() - 1)
}

// parseEntry reads one entry; why is empty when it is understood.
func parseEntry(text string) (e entry, class, why string) {
	class = defaultClass
	if name, rest, ok := strings.Cut(text, ":"); ok && isClass(name) {
		class, text = name, strings.TrimSpace(rest)
	}
	word, times, timed := strings.Cut(text, " ")
	if timed {
		e, why = parseTimed(word, strings.TrimSpace(times))
		return e, class, why
	}
	first, last, span := strings.Cut(text, "/")
	if !span {
		last = first
	}
	a, every, why := parsePoint(first)
	if why != "" {
		return entry{}, class, why
	}
	b, also, why := parsePoint(last)
	switch {
	case why != "":
		return entry{}, class, why
	case every != also || strings.Contains(first, "T") != strings.Contains(last, "T"):
		return entry{}, class, "its two ends are of different kinds"
	case every == once && b < a, every == once && strings.Contains(first, "T") && b == a:
		return entry{}, class, "it ends before it begins"
	case every == everyDay && span:
		return entry{}, class, "every day has no end"
	}
	if !strings.Contains(last, "T") {
		b += DayMillis // the last day is included
	}
	return entry{every: every, from: a, to: b}, class, ""
}

// isClass reports whether a text before a colon is the name of a class: a letter, then letters, digits, - and _.
func isClass(name string) bool {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 127
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '-' || r == '_')) {
			return false
		}
	}
	return name != ""
}

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// parsePoint reads one end: a local time since 1970, or since the beginning of what it recurs in.
func parsePoint(text string) (t int64, every repeat, why string) {
	if k := slices.Index(weekdays, strings.ToLower(text)); k >= 0 {
		return int64(k) * DayMillis, weekly, ""
	}
	if strings.EqualFold(text, "daily") {
		return 0, everyDay, ""
	}
	if month, day, ok := strings.Cut(text, "-"); ok && len(text) == len("01-02") {
		at, err := time.Parse("2006-01-02", "2000-"+month+"-"+day)
		if err != nil {
			return 0, 0, fmt.Sprintf("%q is no day of a year", text)
		}
		return dayOfYear(at.Month(), at.Day()) * DayMillis, yearly, ""
	}
	layout := "2006-01-02"
	if strings.Contains(text, "T") {
		layout = "2006-01-02T15:04"
	}
	at, err := time.Parse(layout, text)
	if err != nil {
		return 0, 0, fmt.Sprintf("%q is no date", text)
	}
	return at.UnixMilli(), once, ""
}

// parseTimed reads times of a weekday or of every day.
func parseTimed(word, times string) (e entry, why string) {
	day, every, why := parsePoint(word)
	if why != "" {
		return entry{}, why
	}
	if every != weekly && every != everyDay {
		return entry{}, "times of a date are written with T"
	}
	first, last, ok := strings.Cut(times, "/")
	if !ok {
		return entry{}, fmt.Sprintf("%q has no end", times)
	}
	a, okA := timeOfDay(first)
	b, okB := timeOfDay(last)
	if !okA || !okB || a == b {
		return entry{}, fmt.Sprintf("%q are no times", times)
	}
	e = entry{every: every, from: day + a, to: day + b}
	if b < a && every == weekly {
		e.to += DayMillis
	}
	if every == weekly { // Sunday night runs into Monday
		e.from, e.to = floorMod(e.from, 7*DayMillis), floorMod(e.to-1, 7*DayMillis)+1
	}
	return e, ""
}

// timeOfDay reads hours and minutes up to 24:00.
func timeOfDay(text string) (millis int64, ok bool) {
	hour, minute, found := strings.Cut(text, ":")
	h, errH := strconv.Atoi(hour)
	m, errM := strconv.Atoi(minute)
	if !found || len(text) != len("15:04") || errH != nil || errM != nil || h < 0 || m < 0 || m > 59 || h*60+m > 24*60 {
		return 0, false
	}
	return int64(h*60+m) * 60_000, true
}
