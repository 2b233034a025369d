package policy

import (
	"cmp"
	"slices"
	"time"
)

// Schedule says who is on call when. The first layer that has somebody at a time
// decides; an override decides before all layers.
//
// All times of a schedule are wall-clock times of its zone: a handover at 09:00
// is at 09:00 on every day of the year, so that the shift over a change of the
// clocks is an hour longer or shorter. A time that a change skips is the moment
// of the change; of one that happens twice the first is meant.
type Schedule struct {
	Zone      string     `json:"zone,omitempty" yaml:"zone"` // IANA time zone; empty: UTC
	Layers    []Layer    `json:"layers" yaml:"layers"`
	Overrides []Override `json:"overrides,omitempty" yaml:"overrides"`
}

// Layer is people who take turns, or an imported calendar.
type Layer struct {
	Name     string   `json:"name" yaml:"name"`
	People   []string `json:"people,omitempty" yaml:"people"`     // keys of people, in the order of their turns
	Start    string   `json:"start,omitempty" yaml:"start"`       // first handover, "2026-01-05 09:00" or "2026-01-05"
	Until    string   `json:"until,omitempty" yaml:"until"`       // when the layer ends, in the same form; empty: never
	Turn     Turn     `json:"turn,omitempty" yaml:"turn"`         // daily, weekly, or a duration; empty: weekly
	Restrict []Window `json:"restrict,omitempty" yaml:"restrict"` // only then; empty: always
	Calendar string   `json:"calendar,omitempty" yaml:"calendar"` // name of an imported calendar, instead of people
}

// Override puts one person on call between two moments.
type Override struct {
	Person string    `json:"person" yaml:"person"`
	From   time.Time `json:"from" yaml:"from"`
	Until  time.Time `json:"until" yaml:"until"`
}

// Shift is one person on call from a moment (inclusive) to another (exclusive).
// Person is "" where nobody is.
type Shift struct {
	Person string    `json:"person,omitempty"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Layer  string    `json:"layer,omitempty"` // which layer decided; "override" for an override
}

// OverrideLayer is the Layer of shifts that an override decided.
const OverrideLayer = "override"

// Roster is a schedule with what is not in the configuration: overrides that
// people gave while it ran, and imported calendars by name.
type Roster struct {
	Schedule
	Given     []Override // the later ones decide before the earlier ones
	Calendars map[string][]Shift
}

// At is who is on call at a moment; Person is "" when nobody is. From and Until
// are not set: see Shifts.
func (r Roster) At(t time.Time) Shift {
	for _, all := range [][]Override{r.Given, r.Overrides} {
		for i := len(all) - 1; i >= 0; i-- {
			if o := all[i]; !t.Before(o.From) && t.Before(o.Until) {
				return Shift{Person: o.Person, Layer: OverrideLayer}
			}
		}
	}
	for _, l := range r.Layers {
		if p := r.holder(l, t); p != "" {
			return Shift{Person: p, Layer: l.Name}
		}
	}
	return Shift{}
}

// holder is who a layer puts on call at t.
func (r Roster) holder(l Layer, t time.Time) string {
	loc := r.location()
	if l.Calendar == "" {
		c, ok := newCycle(l, loc)
		if !ok || !c.covers(t) || !inWindows(l.Restrict, t, loc) {
			return ""
		}
		return l.People[c.turn(t)]
	}
	if !inWindows(l.Restrict, t, loc) {
		return ""
	}
	for _, s := range r.Calendars[l.Calendar] {
		if !t.Before(s.From) && t.Before(s.Until) {
			return s.Person
		}
	}
	return ""
}

// Shifts are all shifts of a span of time, in order and without a gap or an
// overlap: where nobody is on call, Person is "". Shifts of one person that
// touch are one.
func (r Roster) Shifts(from, until time.Time) []Shift {
	var out []Shift
	changes := r.changes(from, until)
	for i, at := range changes {
		end := until
		if i+1 < len(changes) {
			end = changes[i+1]
		}
		s := r.At(at)
		s.From, s.Until = at, end
		if n := len(out); n > 0 && out[n-1].Person == s.Person && out[n-1].Layer == s.Layer {
			out[n-1].Until = end
			continue
		}
		out = append(out, s)
	}
	return out
}

// Now is the shift at a moment, with its bounds as far as they lie within a
// horizon of 60 days before and after.
func (r Roster) Now(t time.Time) Shift {
	const horizon = 60 * 24 * time.Hour
	for _, s := range r.Shifts(t.Add(-horizon), t.Add(horizon)) {
		if !t.Before(s.From) && t.Before(s.Until) {
			return s
		}
	}
	return Shift{}
}

// changes are from and every later moment before until at which somebody else
// may be on call.
func (r Roster) changes(from, until time.Time) []time.Time {
	if !from.Before(until) {
		return nil
	}
	loc := r.location()
	all := []time.Time{from}
	add := func(t time.Time) {
		if t.After(from) && t.Before(until) {
			all = append(all, t)
		}
	}
	for _, o := range slices.Concat(r.Overrides, r.Given) {
		add(o.From)
		add(o.Until)
	}
	for _, l := range r.Layers {
		for _, w := range l.Restrict {
			w.edges(from, until, loc, add)
		}
		for _, s := range r.Calendars[l.Calendar] {
			add(s.From)
			add(s.Until)
		}
		if c, ok := newCycle(l, loc); ok {
			c.edges(from, until, add)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}

func (s Schedule) location() *time.Location {
	loc, err := zone(s.Zone)
	if err != nil {
		return time.UTC // Validate refuses it
	}
	return loc
}

// cycle is the turns of a layer.
type cycle struct {
	people int
	start  naive
	length time.Duration // in wall-clock time
	loc    *time.Location
	until  time.Time // zero: for ever
}

func newCycle(l Layer, loc *time.Location) (cycle, bool) {
	start, err := parseNaive(l.Start)
	if err != nil || len(l.People) == 0 || l.Calendar != "" {
		return cycle{}, false
	}
	c := cycle{people: len(l.People), start: start, length: l.Turn.length(), loc: loc}
	if end, err := parseNaive(l.Until); err == nil && l.Until != "" {
		c.until = end.in(loc)
	}
	return c, true
}

// begins is the moment at which the k-th turn begins.
func (c cycle) begins(k int64) time.Time {
	return naive{c.start.Add(time.Duration(k) * c.length)}.in(c.loc)
}

// index is the number of the turn at t, from 0 at the start.
func (c cycle) index(t time.Time) int64 {
	d := naiveOf(t, c.loc).Sub(c.start.Time)
	k := int64(d / c.length)
	if d < 0 {
		k--
	}
	// The wall clock may have been set back or forth between: settle by moments.
	for c.begins(k).After(t) {
		k--
	}
	for !c.begins(k + 1).After(t) {
		k++
	}
	return k
}

func (c cycle) turn(t time.Time) int64 { return c.index(t) % int64(c.people) }

func (c cycle) covers(t time.Time) bool {
	return !t.Before(c.begins(0)) && (c.until.IsZero() || t.Before(c.until))
}

func (c cycle) edges(from, until time.Time, add func(time.Time)) {
	if !c.until.IsZero() {
		add(c.until)
	}
	k := int64(0)
	if first := c.begins(0); first.Before(from) {
		k = c.index(from)
	}
	for at := c.begins(k); at.Before(until); at = c.begins(k) {
		add(at)
		k++
	}
}

// inWindows reports whether t is in one of the windows; none is always.
func inWindows(ws []Window, t time.Time, loc *time.Location) bool {
	return len(ws) == 0 || slices.ContainsFunc(ws, func(w Window) bool { return w.has(t, loc) })
}

// sortShifts puts shifts in order of their beginnings.
func sortShifts(all []Shift) {
	slices.SortStableFunc(all, func(a, b Shift) int {
		return cmp.Or(a.From.Compare(b.From), a.Until.Compare(b.Until), cmp.Compare(a.Person, b.Person))
	})
}
