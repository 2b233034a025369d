package season

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

func TestCalendar(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		entry   string
		in, out []string // local times
	}{
		{"2026-10-01", []string{"2026-10-01 00:00", "2026-10-01 23:59"}, []string{"2026-09-30 23:59", "2026-10-02 00:00", "2027-10-01 12:00"}},
		{"2026-10-01/2026-10-07", []string{"2026-10-01 00:00", "2026-10-07 23:59"}, []string{"2026-09-30 23:59", "2026-10-08 00:00"}},
		{"2026-11-10T20:00/2026-11-12T02:00", []string{"2026-11-10 20:00", "2026-11-12 01:59"}, []string{"2026-11-10 19:59", "2026-11-12 02:00"}},
		{"12-25", []string{"2024-12-25 12:00", "2026-12-25 00:00"}, []string{"2026-12-24 23:59", "2026-12-26 00:00"}},
		{"03-01", []string{"2024-03-01 12:00", "2026-03-01 12:00"}, []string{"2024-02-29 12:00", "2026-02-28 12:00", "2026-03-02 00:00"}},
		{"02-29", []string{"2024-02-29 12:00"}, []string{"2026-03-01 12:00", "2026-02-28 12:00"}},
		{"12-24/01-01", []string{"2026-12-24 00:00", "2026-12-31 23:59", "2027-01-01 23:59"}, []string{"2026-12-23 23:59", "2027-01-02 00:00", "2026-06-01 00:00"}},
		{"sat/sun", []string{"2026-10-03 00:00", "2026-10-04 23:59"}, []string{"2026-10-02 23:59", "2026-10-05 00:00"}},
		{"Sun/mon", []string{"2026-10-04 00:00", "2026-10-05 23:59"}, []string{"2026-10-03 12:00", "2026-10-06 00:00"}},
		{"fri", []string{"2026-10-02 12:00"}, []string{"2026-10-01 12:00", "2026-10-03 00:00"}},
		{"sun 02:00/04:00", []string{"2026-10-04 02:00", "2026-10-04 03:59"}, []string{"2026-10-04 01:59", "2026-10-04 04:00", "2026-10-05 03:00"}},
		{"sun 22:00/02:00", []string{"2026-10-04 22:00", "2026-10-05 01:59"}, []string{"2026-10-04 21:59", "2026-10-05 02:00", "2026-10-03 23:00"}},
		{"sun 22:00/24:00", []string{"2026-10-04 23:59"}, []string{"2026-10-05 00:00"}},
		{"daily 02:00/03:30", []string{"2026-10-04 02:00", "2020-01-01 03:29"}, []string{"2026-10-04 03:30", "2026-10-04 01:59"}},
		{"daily 23:00/01:00", []string{"2026-10-04 23:00", "2026-10-04 00:59"}, []string{"2026-10-04 01:00", "2026-10-04 22:59"}},
		{"sale:11-11", []string{"2026-11-11 12:00"}, []string{"2026-11-12 12:00"}},
	} {
		cal, err := ParseCalendar([]string{"  ", c.entry})
		if err != nil {
			t.Errorf("%s: %v", c.entry, err)
			continue
		}
		clock := NewClock(zone)
		class := func(text string) int {
			at, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
			if err != nil {
				t.Fatal(err)
			}
			return cal.Class(clock.Local(at.UnixMilli()))
		}
		for _, text := range c.in {
			if class(text) != 0 {
				t.Errorf("%s does not hold %s", c.entry, text)
			}
		}
		for _, text := range c.out {
			if class(text) != -1 {
				t.Errorf("%s holds %s", c.entry, text)
			}
		}
	}
}

func TestCalendarClasses(t *testing.T) {
	t.Parallel()
	cal, err := ParseCalendar([]string{"sale:11-11", "2026-10-01/2026-10-07", "sale:06-18", "Frühling-26: 2026-02-16/2026-02-22"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(cal.Classes(), ","); got != "sale,holiday,Frühling-26" {
		t.Errorf("classes %s", got)
	}
	at := func(y int, m time.Month, d int) int64 { return time.Date(y, m, d, 8, 0, 0, 0, time.UTC).UnixMilli() }
	for _, c := range []struct {
		local int64
		want  int
	}{{at(2025, 6, 18), 0}, {at(2026, 10, 3), 1}, {at(2026, 2, 16), 2}, {at(2026, 5, 5), -1}} {
		if got := cal.Class(c.local); got != c.want {
			t.Errorf("%s is of class %d, want %d", time.UnixMilli(c.local).UTC(), got, c.want)
		}
	}
	if c, err := ParseCalendar(nil); err != nil || !c.Empty() || cal.Empty() {
		t.Errorf("empty: %v, %v", c, err)
	}
}

// What cannot be read is named, with what is allowed.
func TestCalendarErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-13-01":                        `"2026-13-01" is no date`,
		"2026-10-07/2026-10-01":             "it ends before it begins",
		"2026-10-01/12-25":                  "its two ends are of different kinds",
		"2026-10-01T10:00/2026-10-02":       "its two ends are of different kinds",
		"2026-10-01T10:00":                  "it ends before it begins",
		"02-30":                             `"02-30" is no day of a year`,
		"caturday":                          `"caturday" is no date`,
		"sun 02:00":                         `"02:00" has no end`,
		"sun 02:00/25:00":                   `"02:00/25:00" are no times`,
		"sun 2:00/4:00":                     `"2:00/4:00" are no times`,
		"2026-10-01 02:00/03:00":            "times of a date are written with T",
		"2026-10-01/2026-10-02/2026-10-03":  `"2026-10-02/2026-10-03" is no date`,
		"sale:":                             `"" is no date`,
		"2026-10-01T20:00/2026-10-01T20:00": "it ends before it begins",
	} {
		_, err := ParseCalendar([]string{"12-25", text})
		if err == nil || !strings.HasPrefix(err.Error(), "entry 2, \""+text+"\": "+want+"; want a day like") {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func FuzzParseCalendar(f *testing.F) {
	for _, s := range []string{"2026-10-01/2026-10-07", "sale:11-11", "sun 22:00/02:00", "daily 02:00/03:30", "12-24/01-01"} {
		f.Add(s, int64(1_790_000_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, local int64) {
		c, err := ParseCalendar([]string{text})
		if err != nil {
			return
		}
		if k := c.Class(local % (1 << 52)); k < -1 || k >= max(1, len(c.Classes())) {
			t.Fatalf("class %d", k)
		}
	})
}
