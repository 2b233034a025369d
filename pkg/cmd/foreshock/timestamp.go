package main

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"
)

// unit is what a number in the timestamp column counts.
type unit int64

// The units, as the number that makes one millisecond (positive) or milliseconds in one (negative).
const (
	unitAuto unit = 0
	seconds  unit = -1000
	millis   unit = 1
	micros   unit = 1_000
	nanos    unit = 1_000_000
)

// unitNames are the values of --time-unit, and timeUnits what they mean.
var (
	unitNames = []string{"auto", "s", "ms", "us", "ns"}
	timeUnits = map[string]unit{"auto": unitAuto, "s": seconds, "ms": millis, "us": micros, "ns": nanos}
)

// lastTime is the largest time that is read, the end of the year 9999, and firstTime its mirror: far enough for any data, near enough that
// no arithmetic on grids can overflow.
const (
	lastTime  = int64(253_402_300_799_999)
	firstTime = -lastTime
)

// guessUnit tells what a number counts by its size: 1e11 seconds lie in the year 5138, 1e11 milliseconds in 1973.
func guessUnit(x float64) unit {
	switch x = math.Abs(x); {
	case x < 1e11:
		return seconds
	case x < 1e14:
		return millis
	case x < 1e17:
		return micros
	}
	return nanos
}

// parseTime reads a timestamp as Unix milliseconds: a number in the unit, or a date and time in RFC 3339, where the zone may lack (UTC),
// a space may stand for the T, and seconds may lack. A part below a millisecond is dropped.
func parseTime(b []byte, u unit) (int64, bool) {
	if t, ok := parseInteger(b); ok {
		return scale(t, u)
	}
	if t, ok := parseDate(b); ok {
		return t, true
	}
	x, err := strconv.ParseFloat(text(b), 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, false
	}
	if u == unitAuto {
		u = guessUnit(x)
	}
	if u < 0 {
		x *= -float64(u)
	} else {
		x /= float64(u)
	}
	// A decimal of seconds such as 1.001 lies a hair below its millisecond.
	x = math.Floor(x + 1e-4)
	if !(math.Abs(x) <= float64(lastTime)) {
		return 0, false
	}
	return int64(x), true
}

func scale(t int64, u unit) (int64, bool) {
	if u == unitAuto {
		u = guessUnit(float64(t))
	}
	if u < 0 {
		if t > lastTime/1000 || t < firstTime/1000 {
			return 0, false
		}
		return t * -int64(u), true
	}
	q := t / int64(u)
	if t%int64(u) < 0 {
		q--
	}
	return q, q >= firstTime && q <= lastTime
}

// parseInteger reads an optional sign and up to 19 digits.
func parseInteger(b []byte) (int64, bool) {
	digits, negative := b, false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		digits, negative = b[1:], b[0] == '-'
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if n > math.MaxInt64 {
		return 0, false
	}
	if negative {
		return -int64(n), true
	}
	return int64(n), true
}

// parseDate reads 2006-01-02, optionally followed by T or a space and 15:04[:05[.999]] and a zone.
func parseDate(b []byte) (int64, bool) {
	if len(b) < 10 || b[4] != '-' || b[7] != '-' {
		return 0, false
	}
	year, ok1 := number(b[0:4])
	month, ok2 := number(b[5:7])
	day, ok3 := number(b[8:10])
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	ms := daysSinceEpoch(year, month, day) * 86_400_000
	b = b[10:]
	if len(b) == 0 {
		return ms, true
	}
	if len(b) < 6 || (b[0] != 'T' && b[0] != 't' && b[0] != ' ') || b[3] != ':' {
		return 0, false
	}
	hour, ok1 := number(b[1:3])
	minute, ok2 := number(b[4:6])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, false
	}
	ms += (hour*60 + minute) * 60_000
	part, b, ok := parseSeconds(b[6:])
	if !ok {
		return 0, false
	}
	zone, ok := parseZone(b)
	return ms + part - zone, ok
}

// parseSeconds reads an optional :05 with an optional fraction, and returns milliseconds and what follows.
func parseSeconds(b []byte) (int64, []byte, bool) {
	if len(b) == 0 || b[0] != ':' {
		return 0, b, true
	}
	if len(b) < 3 {
		return 0, nil, false
	}
	s, ok := number(b[1:3])
	if !ok || s > 60 { // 60 is a leap second, which Unix time counts as the next one
		return 0, nil, false
	}
	ms := s * 1000
	b = b[3:]
	if len(b) == 0 || (b[0] != '.' && b[0] != ',') {
		return ms, b, true
	}
	b = b[1:]
	weight, digits := int64(100), 0
	for len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		ms += int64(b[0]-'0') * weight
		weight /= 10
		digits++
		b = b[1:]
	}
	return ms, b, digits > 0
}

// parseZone reads nothing (UTC), Z, or ±07:00, and returns the offset in milliseconds.
func parseZone(b []byte) (int64, bool) {
	switch {
	case len(b) == 0, len(b) == 1 && (b[0] == 'Z' || b[0] == 'z'), string(b) == " UTC":
		return 0, true
	case len(b) == 6 && b[3] == ':' && (b[0] == '+' || b[0] == '-'):
		h, ok1 := number(b[1:3])
		m, ok2 := number(b[4:6])
		offset := (h*60 + m) * 60_000
		if b[0] == '-' {
			offset = -offset
		}
		return offset, ok1 && ok2 && h < 24 && m < 60
	}
	return 0, false
}

// number reads decimal digits.
func number(b []byte) (int64, bool) {
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

func daysIn(year, month int64) int64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSinceEpoch counts days of the proleptic Gregorian calendar from 1970-01-01; years are counted from March, so that the leap day is
// the last. Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
func daysSinceEpoch(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	inEra := year - era*400
	inYear := (153*(month-3)+2)/5 + day - 1
	return era*146_097 + inEra*365 + inEra/4 - inEra/100 + inYear - 719_468
}

// parseValue reads a sample; what stands for "no sample" is NaN. An infinite value is a value.
func parseValue(b []byte) (float64, bool) {
	if len(b) == 0 {
		return math.NaN(), true
	}
	if c := b[0] | 0x20; c == 'n' || c == '?' {
		for _, s := range [...]string{"nan", "null", "na", "n/a", "none"} {
			if bytes.EqualFold(b, []byte(s)) {
				return math.NaN(), true
			}
		}
		return 0, false
	}
	x, err := strconv.ParseFloat(text(b), 64)
	return x, err == nil
}

// text views bytes as a string without copying them, for functions that do not keep it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
