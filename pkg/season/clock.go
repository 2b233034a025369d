// Package season knows about what repeats: the wall clock with its days and weeks, the calendar with its holidays, and the periods that data show by themselves.
//
// The idea: people, batch jobs and tariffs follow local time, also across daylight saving, so phases are taken from the wall clock of a zone; machines follow what they
// like, so other periods are looked for.
//
//	c := season.NewClock(zone)
//	day, tod := c.Day(t)                      // the number of the local day, and the milliseconds since its midnight
//	cal, err := season.ParseCalendar(entries) // what people know of: 2026-10-01/2026-10-07
//	class := cal.Class(c.Local(t))            // −1 for an ordinary time
//	periods := season.Periods(s, 3)           // what the data show
//	levels := season.Levels(s.Values, s.Grid) // and where they shifted for good
//
// It judges nothing and predicts nothing.
package season

import (
	"time"
)

// DayMillis is the length of a wall-clock day in milliseconds.
const DayMillis = 24 * 60 * 60 * 1000

// Clock turns Unix milliseconds into wall-clock time of one zone, fast for times that come in order. It is not safe for concurrent use.
type Clock struct {
	zone     *time.Location
	from, to int64 // offset holds in [from, to)
	offset   int64
}

// NewClock returns a clock of the zone; nil is UTC.
func NewClock(zone *time.Location) *Clock {
	if zone == nil {
		zone = time.UTC
	}
	return &Clock{zone: zone}
}

// Local returns the milliseconds since 1970-01-01 00:00 of the wall clock.
func (c *Clock) Local(t int64) int64 {
	if t < c.from || t >= c.to {
		c.look(t)
	}
	return t + c.offset
}

// look finds the zone's offset at t and how long it holds.
func (c *Clock) look(t int64) {
	at := time.UnixMilli(t).In(c.zone)
	_, seconds := at.Zone()
	c.offset = int64(seconds) * 1000
	start, end := at.ZoneBounds()
	c.from, c.to = -1<<63, 1<<63-1
	if !start.IsZero() {
		c.from = start.UnixMilli()
	}
	if !end.IsZero() {
		c.to = end.UnixMilli()
	}
}

// Day returns the number of the local day (0 is 1970-01-01, a Thursday) and the wall-clock milliseconds since its midnight.
func (c *Clock) Day(t int64) (day, tod int64) {
	l := c.Local(t)
	tod = l % DayMillis
	if tod < 0 {
		tod += DayMillis
	}
	return (l - tod) / DayMillis, tod
}

// Weekday returns the day of the week of a day number: 0 is Sunday.
func Weekday(day int64) int { return int(((day+4)%7 + 7) % 7) }
