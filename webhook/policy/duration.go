package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span in Prometheus' text form: "90s", "5m", "1h30m", "1d",
// "1w2d". Units are ms, s, m, h, d (24 h), w (7 d) and y (365 d).
type Duration time.Duration

var units = []struct {
	name string
	len  time.Duration
}{
	{"y", 365 * 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour},
	{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

// ParseDuration reads the text form; "0" needs no unit.
func ParseDuration(text string) (Duration, error) {
	bad := fmt.Errorf(`duration %q: want a number with a unit, e.g. "30s", "5m", "1h30m", "1d"`, text)
	if text == "0" {
		return 0, nil
	}
	rest, last, sum := text, -1, time.Duration(0)
	for rest != "" {
		digits := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if digits <= 0 {
			return 0, bad
		}
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil {
			return 0, bad
		}
		rest = rest[digits:]
		end := strings.IndexFunc(rest, func(r rune) bool { return r >= '0' && r <= '9' })
		if end < 0 {
			end = len(rest)
		}
		at := unit(rest[:end])
		if at < 0 || at <= last || n > int64((1<<63-1)/units[at].len) {
			return 0, bad
		}
		last, rest, sum = at, rest[end:], sum+time.Duration(n)*units[at].len
		if sum < 0 {
			return 0, bad
		}
	}
	if last < 0 {
		return 0, bad
	}
	return Duration(sum), nil
}

func unit(name string) int {
	for i, u := range units {
		if u.name == name {
			return i
		}
	}
	return -1
}

// String is the shortest text form, "0s" for zero; parts under a millisecond
// are left off.
func (d Duration) String() string {
	rest := time.Duration(d)
	var b strings.Builder
	for _, u := range units {
		if n := rest / u.len; n > 0 && !(u.name == "y" && rest%u.len != 0) && !(u.name == "w" && rest%u.len != 0) {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			rest -= n * u.len
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

// MarshalText writes what String says.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	p, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = p
	return nil
}
