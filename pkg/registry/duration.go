package registry

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time whose text form is Prometheus': "90s", "5m", "1d", "1w2d".
type Duration time.Duration

// Lengths that time does not name. A day is always 24 hours here: a calendar day is a matter of zones.
const (
	Day  = Duration(24 * time.Hour)
	Week = 7 * Day
	Year = 365 * Day
)

// units from the largest to the smallest, as in Prometheus.
var units = []struct {
	name string
	d    Duration
}{
	{"y", Year},
	{"w", Week},
	{"d", Day},
	{"h", Duration(time.Hour)},
	{"m", Duration(time.Minute)},
	{"s", Duration(time.Second)},
	{"ms", Duration(time.Millisecond)},
}

// ParseDuration reads Prometheus' text form: whole numbers with units y w d h m s ms, each at most once, largest first; "0" alone is zero.
func ParseDuration(s string) (Duration, error) {
	bad := fmt.Errorf("want a duration like 90s, 5m, 12h or 7d, got %q", s)
	if s == "0" {
		return 0, nil
	}
	if s == "" {
		return 0, bad
	}
	var total Duration
	rest, next := s, 0
	for rest != "" {
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil {
			return 0, bad
		}
		rest = rest[digits:]
		letters := 0
		for letters < len(rest) && (rest[letters] < '0' || rest[letters] > '9') {
			letters++
		}
		unit := rest[:letters]
		rest = rest[letters:]
		at := next
		for at < len(units) && units[at].name != unit {
			at++
		}
		if at == len(units) {
			return 0, bad
		}
		next = at + 1
		if n > int64((1<<63-1)-total)/int64(units[at].d) {
			return 0, fmt.Errorf("duration %q is too long", s)
		}
		total += Duration(n) * units[at].d
	}
	return total, nil
}

// String returns the Prometheus form in days and below, "0s" for zero. Parts below a millisecond are dropped.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	if d < 0 {
		b.WriteByte('-')
		d = -d
	}
	for _, u := range units {
		if u.d > Day { // "7d" and "90d" read better than "1w" and "12w6d"
			continue
		}
		if n := d / u.d; n > 0 {
			fmt.Fprintf(&b, "%d%s", int64(n), u.name)
			d -= n * u.d
		}
	}
	return b.String()
}

// Milliseconds returns the length in the unit of sample timestamps.
func (d Duration) Milliseconds() int64 { return time.Duration(d).Milliseconds() }

// Std returns the same length as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// MarshalText writes the text form.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the text form; it serves YAML, flags and map keys.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := ParseDuration(string(b))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// UnmarshalJSON reads a JSON string in the text form. A bare number is refused: its unit would be a guess.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("want a duration in quotes like \"5m\", got %s", b)
	}
	return d.UnmarshalText([]byte(s))
}
