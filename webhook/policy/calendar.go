package policy

import (
	"fmt"
	"slices"
	"time"
)

// Date is a day of the calendar. Its text form is "2026-12-25".
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// String is "2026-12-25".
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// MarshalText writes what String says.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "2026-12-25".
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("date %q: want one like 2026-12-25", text)
	}
	d.Year, d.Month, d.Day = t.Date()
	return nil
}

// Calendar is a set of times: those of Weekly and the whole days of Dates, in
// Zone. Without both it is always.
type Calendar struct {
	Weekly []Window `json:"weekly,omitempty" yaml:"weekly"`
	Dates  []Date   `json:"dates,omitempty" yaml:"dates"`
	Zone   string   `json:"zone,omitempty" yaml:"zone"` // IANA time zone; empty: UTC
}

// Contains reports whether a moment is within the calendar.
func (c Calendar) Contains(t time.Time) bool {
	if c.always() {
		return true
	}
	loc, err := zone(c.Zone)
	if err != nil {
		loc = time.UTC // Validate has refused it
	}
	y, m, d := t.In(loc).Date()
	return slices.Contains(c.Dates, Date{y, m, d}) || slices.ContainsFunc(c.Weekly, func(w Window) bool { return w.has(t, loc) })
}

// Until is the end of the stretch of the calendar that contains t, to the
// minute, but no later than that much after t.
func (c Calendar) Until(t time.Time, most time.Duration) time.Time {
	end := t.Add(most)
	if c.always() {
		return end
	}
	for at := t.Truncate(time.Minute).Add(time.Minute); at.Before(end); at = at.Add(time.Minute) {
		if !c.Contains(at) {
			return at
		}
	}
	return end
}

func (c Calendar) always() bool { return len(c.Weekly) == 0 && len(c.Dates) == 0 }

// validate checks the zone; the error begins with the field.
func (c Calendar) validate() error {
	if _, err := zone(c.Zone); err != nil {
		return fmt.Errorf("within.zone: %w", err)
	}
	return nil
}
