package policy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/policy"
)

func utc(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

// told writes shifts for people: the moments in UTC.
func told(shifts []policy.Shift) []string {
	var out []string
	for _, s := range shifts {
		out = append(out, fmt.Sprintf("%s..%s %s", s.From.UTC().Format("01-02 15:04"), s.Until.UTC().Format("01-02 15:04"), s.Person))
	}
	return out
}

// Handovers stay at the same time of day over a change of the clocks. In Berlin the clocks went forth on 2026-03-29 at 01:00 UTC and go back on
// 2026-10-25 at 01:00 UTC (Directive 2000/84/EC); 09:00 there is 08:00 UTC in winter and 07:00 UTC in summer.
func TestHandoverOverDST(t *testing.T) {
	t.Parallel()
	daily := policy.Schedule{Zone: "Europe/Berlin", Layers: []policy.Layer{{Name: "l", People: []string{"ann", "bob"}, Start: "2026-01-05 09:00", Turn: policy.Turn(24 * time.Hour)}}}
	for _, tt := range []struct {
		from, until string
		want        []string
	}{
		{"2026-03-28 00:00", "2026-03-31 00:00", []string{
			"03-28 00:00..03-28 08:00 bob", "03-28 08:00..03-29 07:00 ann", "03-29 07:00..03-30 07:00 bob", "03-30 07:00..03-31 00:00 ann",
		}},
		{"2026-10-24 00:00", "2026-10-27 00:00", []string{
			"10-24 00:00..10-24 07:00 bob", "10-24 07:00..10-25 08:00 ann", "10-25 08:00..10-26 08:00 bob", "10-26 08:00..10-27 00:00 ann",
		}},
	} {
		if d := cmp.Diff(tt.want, told(policy.Roster{Schedule: daily}.Shifts(utc(tt.from), utc(tt.until)))); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.from, d)
		}
	}
	// A handover in the hour that is skipped is at the change; one in the hour that comes twice is in the first of both.
	for _, tt := range []struct{ start, from, until, want string }{
		{"2026-03-01 02:30", "2026-03-29 00:00", "2026-03-29 12:00", "03-29 01:00..03-29 12:00"},
		{"2026-10-01 02:30", "2026-10-25 00:00", "2026-10-25 12:00", "10-25 00:30..10-25 12:00"},
	} {
		daily.Layers[0].Start = tt.start
		got := told(policy.Roster{Schedule: daily}.Shifts(utc(tt.from), utc(tt.until)))
		if len(got) != 2 || !strings.HasPrefix(got[1], tt.want) {
			t.Errorf("%s: %v, want one handover, and then %s", tt.start, got, tt.want)
		}
	}
}

func TestLayersWindowsOverrides(t *testing.T) {
	t.Parallel()
	night := policy.Layer{Name: "nights", People: []string{"cem"}, Start: "2026-01-01", Restrict: []policy.Window{{
		Days: []policy.Weekday{policy.Weekday(time.Friday), policy.Weekday(time.Saturday)}, From: policy.Clock(20 * time.Hour), To: policy.Clock(8 * time.Hour),
	}}}
	weekly := policy.Layer{Name: "weeks", People: []string{"ann", "bob"}, Start: "2026-01-05 10:00", Turn: policy.Turn(7 * 24 * time.Hour), Until: "2026-01-19 10:00"}
	r := policy.Roster{Schedule: policy.Schedule{
		Zone: "Asia/Shanghai", Layers: []policy.Layer{night, weekly}, // UTC+8, no change of the clocks since 1991
		Overrides: []policy.Override{{Person: "dai", From: utc("2026-01-07 00:00"), Until: utc("2026-01-08 00:00")}},
	}, Given: []policy.Override{
		{Person: "bob", From: utc("2026-01-07 12:00"), Until: utc("2026-01-07 18:00")},
		{Person: "eve", From: utc("2026-01-07 14:00"), Until: utc("2026-01-07 15:00")},
	}}
	want := []string{
		"01-03 00:00..01-03 12:00 ",
		"01-03 12:00..01-04 00:00 cem", // Saturday 20:00 to Sunday 08:00
		"01-04 00:00..01-05 02:00 ",
		"01-05 02:00..01-07 00:00 ann",
		"01-07 00:00..01-07 12:00 dai",
		"01-07 12:00..01-07 14:00 bob",
		"01-07 14:00..01-07 15:00 eve",
		"01-07 15:00..01-07 18:00 bob",
		"01-07 18:00..01-08 00:00 dai",
		"01-08 00:00..01-09 12:00 ann",
		"01-09 12:00..01-10 00:00 cem",
		"01-10 00:00..01-10 12:00 ann",
		"01-10 12:00..01-11 00:00 cem",
		"01-11 00:00..01-12 02:00 ann",
		"01-12 02:00..01-16 12:00 bob",
		"01-16 12:00..01-17 00:00 cem",
		"01-17 00:00..01-17 12:00 bob",
		"01-17 12:00..01-18 00:00 cem",
		"01-18 00:00..01-19 02:00 bob",
		"01-19 02:00..01-20 00:00 ",
	}
	if d := cmp.Diff(want, told(r.Shifts(utc("2026-01-03 00:00"), utc("2026-01-20 00:00")))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if s := r.Now(utc("2026-01-07 14:30")); s.Person != "eve" || s.Layer != policy.OverrideLayer || !s.From.Equal(utc("2026-01-07 14:00")) || !s.Until.Equal(utc("2026-01-07 15:00")) {
		t.Errorf("Now = %+v", s)
	}
}

// Whatever the layers are: shifts cover the span without a gap or an overlap, each says what At says within it, and when one layer has somebody
// at all times, so has the schedule.
func TestShiftsPartitionTime(t *testing.T) {
	t.Parallel()
	zones := []string{"", "Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Africa/Casablanca"}
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		pick := func(n int) int { return rnd.IntN(n) }
		r := policy.Roster{Schedule: policy.Schedule{Zone: zones[pick(len(zones))]}, Calendars: map[string][]policy.Shift{}}
		covered := false
		for i := range 1 + pick(4) {
			l := policy.Layer{
				Name: fmt.Sprint("l", i), Start: fmt.Sprintf("2026-%02d-%02d %02d:%02d", 1+pick(12), 1+pick(28), pick(24), pick(60)),
				Turn: policy.Turn(time.Duration([]int{1, 24, 168, 12, 8, 7, 36, 72, 5}[pick(9)]) * time.Hour),
			}
			for p := range 1 + pick(4) {
				l.People = append(l.People, fmt.Sprint("p", p))
			}
			for range pick(3) {
				from := pick(24)
				l.Restrict = append(l.Restrict, policy.Window{From: policy.Clock(time.Duration(from) * time.Hour), To: policy.Clock(time.Duration((from+1+pick(22))%24) * time.Hour)})
				if pick(2) == 0 {
					l.Restrict[len(l.Restrict)-1].Days = []policy.Weekday{policy.Weekday(pick(7)), policy.Weekday(pick(7))}
				}
			}
			if pick(3) == 0 {
				l.Start, l.Restrict, covered = "2025-01-01 09:00", nil, true
			}
			r.Layers = append(r.Layers, l)
		}
		span := time.Duration(1+pick(40*24)) * time.Hour
		from := utc("2026-01-01 00:00").Add(time.Duration(pick(365*24*60)) * time.Minute)
		until := from.Add(span)
		for range pick(3) {
			at := from.Add(time.Duration(rnd.Int64N(int64(span))))
			r.Given = append(r.Given, policy.Override{Person: "o", From: at, Until: at.Add(time.Duration(1+pick(50)) * time.Hour)})
		}
		at := from
		for i, s := range r.Shifts(from, until) {
			if !s.From.Equal(at) || !s.From.Before(s.Until) {
				t.Fatalf("seed %d: shift %d begins at %s, want %s", seed, i, s.From, at)
			}
			at = s.Until
			for range 5 {
				in := s.From.Add(time.Duration(rnd.Int64N(int64(s.Until.Sub(s.From)))))
				if got := r.At(in); got.Person != s.Person || got.Layer != s.Layer {
					t.Fatalf("seed %d: at %s it is %q by %s, the shift says %q by %s", seed, in, got.Person, got.Layer, s.Person, s.Layer)
				}
			}
			if covered && s.Person == "" {
				t.Fatalf("seed %d: nobody from %s to %s, though a layer covers all", seed, s.From, s.Until)
			}
		}
		if !at.Equal(until) {
			t.Fatalf("seed %d: shifts end at %s, want %s", seed, at, until)
		}
	}
}

const calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" +
	"BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Ann Lee\r\nDTSTART;TZID=Europe/Berlin:20260323T090000\r\nDTEND;TZID=Europe/Berlin:20260324T090000\r\n" +
	"RRULE:FREQ=DAILY;COUNT=10\r\nEXDATE;TZID=Europe/Berlin:20260326T090000\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID;TZID=Europe/Berlin:20260325T090000\r\nSUMMARY:On call: bob@example.com\r\nDTSTART:20260325T100000Z\r\nDTEND:20260325T120000Z\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nUID:2\r\nSUMMARY:shift\r\nATTENDEE:mailto:Bob@Example.com\r\nDTSTART;VALUE=DATE:20260401\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nUID:3\r\nSUMMARY:somebody else\r\nDTSTART:20260402T000000Z\r\nDURATION:PT2H\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nUID:4\r\nSUMMARY:bob\r\nSTATUS:CANCELLED\r\nDTSTART:20260403T000000Z\r\nDURATION:PT2H\r\nEND:VEVENT\r\n" +
	"BEGIN:VEVENT\r\nUID:5\r\nSUMMARY:bob\r\nDTSTART:20260404T000000Z\r\nDURATION:P1DT2H\r\nEND:VEVENT\r\n" +
	"END:VCALENDAR\r\n"

func crew() map[string]policy.Person {
	return map[string]policy.Person{"ann": {Name: "Ann Lee", Email: "ann@example.com"}, "bob": {Email: "bob@example.com"}}
}

func TestReadICal(t *testing.T) {
	t.Parallel()
	got, err := policy.ReadICal(strings.NewReader(calendar), policy.Import{
		Zone: "Europe/Berlin", From: utc("2026-03-24 12:00"), Until: utc("2026-05-01 00:00"), Person: policy.Finder(crew()),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"03-24 08:00..03-25 08:00 ann", "03-25 10:00..03-25 12:00 bob", "03-27 08:00..03-28 08:00 ann",
		"03-28 08:00..03-29 07:00 ann", // the clocks go forth: 23 hours
		"03-29 07:00..03-30 07:00 ann", "03-30 07:00..03-31 07:00 ann", "03-31 07:00..04-01 07:00 ann",
		"03-31 22:00..04-01 22:00 bob", "04-01 07:00..04-02 07:00 ann", "04-04 00:00..04-05 02:00 bob",
	}
	if d := cmp.Diff(want, told(got.Shifts)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{`event "somebody else": names nobody who is configured under people`}, got.Strange); d != "" {
		t.Errorf("strange (-want +got):\n%s", d)
	}
	for _, bad := range []string{"", "hello", "<html>", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY"} {
		if c, err := policy.ReadICal(strings.NewReader(bad), policy.Import{Person: policy.Finder(nil)}); err == nil && len(c.Shifts) > 0 {
			t.Errorf("%q: %+v", bad, c)
		}
	}
	// A rule that repeats for ever, every second, is refused rather than walked.
	endless := strings.Replace(calendar, "FREQ=DAILY;COUNT=10", "FREQ=SECONDLY", 1)
	c, err := policy.ReadICal(strings.NewReader(endless), policy.Import{Zone: "UTC", From: utc("2030-01-01 00:00"), Until: utc("2031-01-01 00:00"), Person: policy.Finder(crew())})
	if err != nil || len(c.Strange) == 0 || !strings.Contains(c.Strange[0], "repeats by seconds") {
		t.Errorf("endless: %+v, %v", c.Strange, err)
	}
	hourly := strings.Replace(calendar, "FREQ=DAILY;COUNT=10", "FREQ=HOURLY", 1)
	c, err = policy.ReadICal(strings.NewReader(hourly), policy.Import{Zone: "UTC", From: utc("2036-01-01 00:00"), Until: utc("2037-01-01 00:00"), Person: policy.Finder(crew())})
	if err != nil || len(c.Strange) == 0 || !strings.Contains(c.Strange[0], "repeats more than") {
		t.Errorf("hourly: %+v, %v", c.Strange, err)
	}
	// Rules that never come true end.
	for _, rule := range []string{"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;INTERVAL=7;BYDAY=TU", "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=4", "FREQ=DAILY;BYMONTHDAY=31;BYMONTH=2"} {
		c, err := policy.ReadICal(strings.NewReader(strings.Replace(calendar, "FREQ=DAILY;COUNT=10", rule, 1)), policy.Import{Zone: "UTC", From: utc("2026-01-01 00:00"), Until: utc("2027-01-01 00:00"), Person: policy.Finder(crew())})
		if err != nil || len(c.Shifts) > 5 {
			t.Errorf("%s: %+v, %v", rule, c, err)
		}
	}
}

// What is exported can be imported again.
func TestICalRoundTrip(t *testing.T) {
	t.Parallel()
	r := policy.Roster{Schedule: policy.Schedule{Zone: "Europe/Berlin", Layers: []policy.Layer{{Name: "l", People: []string{"ann", "bob"}, Start: "2026-01-05 09:00"}}}}
	from, until := utc("2026-03-01 00:00"), utc("2026-05-01 00:00")
	shifts := r.Shifts(from, until)
	text := policy.WriteICal("ops", shifts, crew(), utc("2026-03-01 00:00"))
	got, err := policy.ReadICal(strings.NewReader(text), policy.Import{From: from, Until: until, Person: policy.Finder(crew())})
	if err != nil || len(got.Strange) > 0 {
		t.Fatal(err, got.Strange)
	}
	if d := cmp.Diff(told(shifts), told(got.Shifts)); d != "" {
		t.Errorf("(-want +got):\n%s\n%s", d, text)
	}
}

func FuzzReadICal(f *testing.F) {
	f.Add(calendar)
	f.Add(strings.ReplaceAll(calendar, "\r\n", "\n"))
	f.Add("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nSUMMARY:ann\nDTSTART:00010101T000000Z\nDURATION:P999999W\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\nEND:VEVENT\nEND:VCALENDAR")
	f.Fuzz(func(t *testing.T, text string) {
		from, until := utc("2026-01-01 00:00"), utc("2027-01-01 00:00")
		c, err := policy.ReadICal(strings.NewReader(text), policy.Import{Zone: "Europe/Berlin", From: from, Until: until, Person: policy.Finder(crew())})
		if err != nil {
			return
		}
		for _, s := range c.Shifts {
			if !s.From.Before(s.Until) || !s.Until.After(from) || !s.From.Before(until) {
				t.Errorf("shift %+v", s)
			}
		}
	})
}

func TestLadder(t *testing.T) {
	t.Parallel()
	for g, want := range map[policy.Grade][]int{policy.P0: {1, 2, 5}, policy.P1: {5, 10, 30}, policy.P2: {30, 60}, policy.P3: nil} {
		var got []int
		for _, s := range policy.DefaultLadder(g).Steps {
			got = append(got, int(time.Duration(s.Wait)/time.Minute))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", g, d)
		}
	}
	l := policy.Ladder{Steps: make([]policy.Step, 2), Repeat: 1}
	var walked []policy.Rung
	for at, ok := (policy.Rung{}), l.Has(policy.Rung{}); ok; at, ok = l.Next(at) {
		walked = append(walked, at)
	}
	if d := cmp.Diff([]policy.Rung{{Step: 0}, {Step: 1}, {Step: 0, Round: 1}, {Step: 1, Round: 1}}, walked); d != "" {
		t.Error(d)
	}
	if (policy.Ladder{}).Has(policy.Rung{}) {
		t.Error("a ladder without steps has one")
	}
}
