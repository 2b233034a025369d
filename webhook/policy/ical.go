package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
	"github.com/teambition/rrule-go"
)

// Bounds of an imported calendar.
const (
	maxEvents      = 10_000 // in the file
	maxOccurrences = 50_000 // of all events together, within the span that is asked for
	// maxReading is how long the events of one calendar may take: one rule that never
	// comes true takes a second or so.
	maxReading = 5 * time.Second
)

// Import says how a calendar becomes shifts.
type Import struct {
	Zone        string              // of times that name none, and of whole days
	From, Until time.Time           // only what lies between
	Person      func(string) string // the key of the person that a text names; "" when it names none
}

// Imported is what an import found.
type Imported struct {
	Shifts  []Shift
	Strange []string // one sentence for each event that could not be used, at most 20
}

// ReadICal reads the shifts of an iCalendar file (RFC 5545): each event is a
// shift of the person whom its summary, or else an attendee, names. Repetitions
// (RRULE, RDATE, EXDATE) and changed occurrences (RECURRENCE-ID) count. An event
// that cannot be understood is left out and told; a file that cannot be is an
// error.
func ReadICal(in io.Reader, o Import) (Imported, error) {
	loc, err := zone(o.Zone)
	if err != nil {
		return Imported{}, err
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return Imported{}, fmt.Errorf("reading the calendar: %w", err)
	}
	if !bytes.Contains(text, []byte("BEGIN:VCALENDAR")) {
		return Imported{}, errors.New("this is not an iCalendar file: it has no BEGIN:VCALENDAR")
	}
	cal, err := ics.ParseCalendar(bytes.NewReader(text))
	if err != nil {
		return Imported{}, fmt.Errorf("reading the calendar: %w", err)
	}
	events := cal.Events()
	if len(events) > maxEvents {
		return Imported{}, fmt.Errorf("the calendar has %d events: want at most %d", len(events), maxEvents)
	}
	r := reader{o: o, loc: loc, moved: map[string][]time.Time{}, left: maxOccurrences}
	for _, e := range events { // changed occurrences take the place of the planned ones
		if at, err := r.moment(e.GetProperty(ics.ComponentPropertyRecurrenceId)); err == nil {
			r.moved[e.Id()] = append(r.moved[e.Id()], at)
		}
	}
	began := time.Now()
	for _, e := range events {
		if time.Since(began) > maxReading {
			return Imported{}, fmt.Errorf("its events take more than %s to work out: want simpler rules", Duration(maxReading))
		}
		if err := r.event(e); err != nil {
			if r.left <= 0 {
				return Imported{}, err
			}
			if len(r.out.Strange) < 20 {
				r.out.Strange = append(r.out.Strange, err.Error())
			}
		}
	}
	sortShifts(r.out.Shifts)
	return r.out, nil
}

type reader struct {
	o     Import
	loc   *time.Location
	moved map[string][]time.Time // by event, the occurrences that have an event of their own
	left  int
	out   Imported
}

func (r *reader) event(e *ics.VEvent) error {
	name := clip(value(e, ics.ComponentPropertySummary), 60)
	bad := func(why string) error { return fmt.Errorf("event %q: %s", name, why) }
	if strings.EqualFold(value(e, ics.ComponentPropertyStatus), "CANCELLED") {
		return nil
	}
	start, err := r.moment(e.GetProperty(ics.ComponentPropertyDtStart))
	if err != nil {
		return bad("its start: " + err.Error())
	}
	length, err := r.length(e, start)
	if err != nil {
		return bad(err.Error())
	}
	person := r.person(e)
	if person == "" {
		return bad("names nobody who is configured under people")
	}
	begins, err := r.occurrences(e, start, length)
	if err != nil {
		return bad(err.Error())
	}
	if r.left -= len(begins); r.left <= 0 {
		return fmt.Errorf("the calendar has more than %d occurrences: want fewer", maxOccurrences)
	}
	for _, at := range begins {
		end := length(at)
		if end.After(r.o.From) && at.Before(r.o.Until) {
			r.out.Shifts = append(r.out.Shifts, Shift{Person: person, From: at.UTC(), Until: end.UTC()})
		}
	}
	return nil
}

// length says when an occurrence ends that begins at a moment: events keep their
// length on the wall clock, so that a shift to 09:00 ends at 09:00 also over a
// change of the clocks.
func (r *reader) length(e *ics.VEvent, start time.Time) (func(time.Time) time.Time, error) {
	loc := start.Location()
	wall := func(d time.Duration) (func(time.Time) time.Time, error) {
		if d <= 0 {
			return nil, errors.New("it does not last: its end is not after its start")
		}
		return func(at time.Time) time.Time { return naive{naiveOf(at, loc).Add(d)}.in(loc) }, nil
	}
	if p := e.GetProperty(ics.ComponentPropertyDtEnd); p != nil {
		end, err := r.moment(p)
		if err != nil {
			return nil, fmt.Errorf("its end: %w", err)
		}
		return wall(naiveOf(end, loc).Sub(naiveOf(start, loc).Time))
	}
	if text := value(e, ics.ComponentPropertyDuration); text != "" {
		d, err := isoDuration(text)
		if err != nil {
			return nil, err
		}
		return wall(d)
	}
	if wholeDay(e.GetProperty(ics.ComponentPropertyDtStart)) {
		return wall(24 * time.Hour)
	}
	return nil, errors.New("it has neither an end nor a length")
}

// occurrences are the beginnings of an event that may matter.
func (r *reader) occurrences(e *ics.VEvent, start time.Time, end func(time.Time) time.Time) ([]time.Time, error) {
	rule := value(e, ics.ComponentPropertyRrule)
	extra, err := r.moments(e.GetProperties(ics.ComponentPropertyRdate))
	if err != nil {
		return nil, fmt.Errorf("RDATE: %w", err)
	}
	if e.GetProperty(ics.ComponentPropertyRecurrenceId) != nil || (rule == "" && len(extra) == 0) {
		return []time.Time{start}, nil
	}
	set := rrule.Set{}
	set.DTStart(start)
	if rule != "" {
		opt, err := rrule.StrToROptionInLocation(rule, start.Location())
		if err != nil {
			return nil, fmt.Errorf("RRULE: %w", err)
		}
		if err := sensible(opt); err != nil {
			return nil, err
		}
		opt.Dtstart = start
		rr, err := rrule.NewRRule(*opt)
		if err != nil {
			return nil, fmt.Errorf("RRULE: %w", err)
		}
		set.RRule(rr)
	} else {
		set.RDate(start)
	}
	for _, at := range extra {
		set.RDate(at)
	}
	without, err := r.moments(e.GetProperties(ics.ComponentPropertyExdate))
	if err != nil {
		return nil, fmt.Errorf("EXDATE: %w", err)
	}
	for _, at := range append(without, r.moved[e.Id()]...) {
		set.ExDate(at)
	}
	next := set.Iterator()
	var out []time.Time
	for seen := 0; ; seen++ {
		at, ok := next()
		if !ok || !at.Before(r.o.Until) {
			return out, nil
		}
		if seen == maxOccurrences || len(out) >= r.left {
			return nil, fmt.Errorf("it repeats more than %d times", maxOccurrences)
		}
		if end(at).After(r.o.From) {
			out = append(out, at)
		}
	}
}

// sensible refuses the rules that shifts do not need, and that take for ever
// when they never come true: a look at every second, or at every day, until the
// year 9999.
func sensible(o *rrule.ROption) error {
	by := len(o.Bymonthday) + len(o.Byyearday) + len(o.Byweekno) + len(o.Bysetpos) + len(o.Byeaster)
	clock := len(o.Byhour) + len(o.Byminute) + len(o.Bysecond)
	switch {
	case o.Freq == rrule.SECONDLY || o.Freq == rrule.MINUTELY:
		return errors.New("RRULE: it repeats by seconds or minutes: want HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY")
	case o.Freq == rrule.HOURLY && by+clock+len(o.Byweekday)+len(o.Bymonth) > 0:
		return errors.New("RRULE: HOURLY with BY…: want it alone, or DAILY with BYHOUR")
	case (o.Freq == rrule.DAILY || o.Freq == rrule.WEEKLY) && by > 0:
		return errors.New("RRULE: DAILY or WEEKLY with more than BYDAY, BYMONTH and BYHOUR: want MONTHLY or YEARLY")
	}
	return nil
}

func (r *reader) person(e *ics.VEvent) string {
	if p := r.o.Person(value(e, ics.ComponentPropertySummary)); p != "" {
		return p
	}
	for _, a := range e.Attendees() {
		if p := r.o.Person(strings.TrimPrefix(strings.ToLower(a.Email()), "mailto:")); p != "" {
			return p
		}
	}
	return ""
}

func (r *reader) moments(all []*ics.IANAProperty) (out []time.Time, err error) {
	for _, p := range all {
		for text := range strings.SplitSeq(p.Value, ",") {
			one := *p
			one.Value = text
			at, err := r.moment(&one)
			if err != nil {
				return nil, err
			}
			out = append(out, at)
		}
	}
	return out, nil
}

// moment reads a date or a date with a time: in UTC (…Z), in the zone that it
// names, or in the zone of the import.
func (r *reader) moment(p *ics.IANAProperty) (time.Time, error) {
	if p == nil {
		return time.Time{}, errors.New("is missing")
	}
	text, loc := strings.TrimSpace(p.Value), r.loc
	if ids := p.ICalParameters["TZID"]; len(ids) > 0 {
		named, err := zone(strings.Trim(ids[0], `"`))
		if err != nil {
			return time.Time{}, err
		}
		loc = named
	}
	if t, err := time.Parse("20060102T150405Z", text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"20060102T150405", "20060102"} {
		if t, err := time.Parse(layout, text); err == nil {
			return naive{t}.in(loc).In(loc), nil
		}
	}
	return time.Time{}, fmt.Errorf("got %q, want a date, or a date with a time", clip(text, 40))
}

func wholeDay(p *ics.IANAProperty) bool { return p != nil && len(strings.TrimSpace(p.Value)) == 8 }

func value(e *ics.VEvent, name ics.ComponentProperty) string {
	if p := e.GetProperty(name); p != nil {
		return strings.TrimSpace(ics.FromText(p.Value))
	}
	return ""
}

// isoDuration reads a length as RFC 5545 writes it: P1D, PT12H30M, P2W.
func isoDuration(text string) (time.Duration, error) {
	bad := fmt.Errorf("its length %q is not one: want one like PT12H or P1D", clip(text, 40))
	rest, ok := strings.CutPrefix(strings.TrimPrefix(text, "+"), "P")
	if !ok || rest == "" {
		return 0, bad
	}
	var sum time.Duration
	units, n, digits := map[byte]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour}, 0, 0
	for _, c := range []byte(rest) {
		unit, isUnit := units[c]
		switch {
		case c == 'T' && digits == 0:
			units = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}
		case c >= '0' && c <= '9' && digits < 6:
			n, digits = 10*n+int(c-'0'), digits+1
		case isUnit && digits > 0:
			sum += time.Duration(n) * unit
			n, digits = 0, 0
		default:
			return 0, bad
		}
	}
	if digits > 0 {
		return 0, bad
	}
	return sum, nil
}

// WriteICal is a schedule's shifts as an iCalendar file: one event each, with
// the person's name as summary and address as attendee.
func WriteICal(name string, shifts []Shift, people map[string]Person, now time.Time) string {
	cal := ics.NewCalendar()
	cal.SetProductId("-//Foreshock//on-call//EN")
	cal.SetMethod(ics.MethodPublish)
	cal.SetName(name)
	cal.SetXWRCalName(name)
	for _, s := range shifts {
		if s.Person == "" {
			continue
		}
		p := people[s.Person]
		e := cal.AddEvent(fmt.Sprintf("%s-%d-%s@foreshock", name, s.From.Unix(), s.Person))
		e.SetDtStampTime(now)
		e.SetStartAt(s.From)
		e.SetEndAt(s.Until)
		called := p.Name
		if called == "" {
			called = s.Person
		}
		e.SetSummary(called)
		e.SetDescription(s.Layer)
		if p.Email != "" {
			e.AddAttendee(p.Email)
		}
	}
	return cal.Serialize(ics.WithNewLineWindows)
}

// Finder finds people by what calendars call them: their key, name or address,
// in any case; else the one of them whose address, or name, the text holds. ""
// when it is nobody, or not clear who.
func Finder(people map[string]Person) func(string) string {
	return func(text string) string {
		text = strings.ToLower(strings.TrimSpace(text))
		if text == "" {
			return ""
		}
		for key, p := range people {
			if slices.Contains([]string{strings.ToLower(key), strings.ToLower(p.Name), strings.ToLower(p.Email)}, text) {
				return key
			}
		}
		found := map[string]bool{}
		for key, p := range people {
			for _, name := range []string{p.Name, p.Email} {
				if name != "" && strings.Contains(text, strings.ToLower(name)) {
					found[key] = true
				}
			}
		}
		if len(found) == 1 {
			for key := range found {
				return key
			}
		}
		return ""
	}
}
