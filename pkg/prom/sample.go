package prom

import (
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"github.com/foreshock/foreshock/pkg/series"
)

// samples reads the rest of an array of [time, "value"], behind its bracket and not empty, into dst, whose element i is the
// sample at grid.At(i). A time that is not on the grid is an error: Prometheus never does that. Nothing is allocated.
func (s *scanner) samples(dst []float64, grid series.Grid) error {
	i, next := 0, grid.Start // where the next sample is expected
	for {
		if s.end-s.pos < fastWindow {
			if err := s.more(); err != nil {
				// The end of the stream: less than a window is left, the slow way finds out what is wrong, if anything.
				if s.pos == s.end {
					return err
				}
			}
		}
		t, v, n := fastSample(s.buf[s.pos:s.end])
		if n > 0 {
			s.pos += n
		} else {
			var err error
			if t, v, err = s.sample(); err != nil {
				return err
			}
		}
		if t != next {
			var on bool
			if i, on = grid.Index(t); !on {
				return fmt.Errorf("it has a sample at %s, which was not asked for", formatTime(t))
			}
		} else if i >= len(dst) {
			return fmt.Errorf("it has a sample at %s, which was not asked for", formatTime(t))
		}
		dst[i] = v
		i++
		next = grid.At(i)
		c, err := s.peek()
		if err != nil {
			return err
		}
		s.pos++
		if c == ']' {
			return nil
		}
		if c != ',' {
			return fmt.Errorf("got %q where ',' or ']' belongs", c)
		}
	}
}

// sample reads [time, "value"] in any valid spelling.
func (s *scanner) sample() (t int64, v float64, err error) {
	if err := s.expect('['); err != nil {
		return 0, 0, err
	}
	t, text, err := s.pair()
	if err != nil {
		return 0, 0, err
	}
	if v, err = parseValue(text); err != nil {
		return 0, 0, err
	}
	return t, v, s.expect(']')
}

// pair reads time, "text" behind the opening bracket.
func (s *scanner) pair() (t int64, text []byte, err error) {
	b, err := s.number()
	if err != nil {
		return 0, nil, err
	}
	seconds, err := strconv.ParseFloat(noCopy(b), 64)
	if err != nil || math.Abs(seconds) > 1e15 {
		return 0, nil, fmt.Errorf("%.40q is no time", b)
	}
	if err := s.expect(','); err != nil {
		return 0, nil, err
	}
	text, err = s.str()
	return int64(math.Round(seconds * 1000)), text, err
}

// fastWindow bytes hold any usual sample: `[1700000000.123,"-0.00012345678901234567"]` and room to spare.
const fastWindow = 96

// fastSample reads `[1700000000.123,"0.5"]` at the start of b as servers write it: no white space, no exponent in the time.
// n is the length read; 0 means that the slow way must decide.
func fastSample(b []byte) (t int64, v float64, n int) {
	if len(b) > fastWindow {
		b = b[:fastWindow]
	}
	if len(b) < 8 || b[0] != '[' {
		return 0, 0, 0
	}
	i := 1
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		t = t*10 + int64(b[i]-'0')
	}
	if i == 1 || i > 13 || b[1] == '0' && i > 2 { // no digits, more than 12 of them, or a leading zero
		return 0, 0, 0
	}
	t *= 1000
	if i < len(b) && b[i] == '.' {
		i++
		unit := int64(100)
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			t += int64(b[i]-'0') * unit // digits beyond milliseconds: unit is 0, see below
			if unit == 0 {
				return 0, 0, 0
			}
			unit /= 10
		}
		if unit == 100 {
			return 0, 0, 0
		}
	}
	if i+2 >= len(b) || b[i] != ',' || b[i+1] != '"' {
		return 0, 0, 0
	}
	i += 2
	v, m := fastFloat(b[i:])
	if m == 0 {
		end := i
		for end < len(b) && b[end] != '"' {
			if b[end] == '\\' || b[end] < ' ' {
				return 0, 0, 0
			}
			end++
		}
		var err error
		if v, err = parseValue(b[i:end]); err != nil || end == len(b) {
			return 0, 0, 0
		}
		m = end - i
	}
	i += m
	if i+1 >= len(b) || b[i] != '"' || b[i+1] != ']' {
		return 0, 0, 0
	}
	return t, v, i + 2
}

// pow10 are the powers of ten that a float64 holds exactly.
var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// fastFloat parses a plain decimal at the start of b, up to a quote, exactly as strconv.ParseFloat would: the digits as an
// integer below 2^53 divided by a power of ten that is exact is correctly rounded (Clinger, How to read floating point
// numbers accurately, PLDI 1990, fast path). n is the length; 0 means that this way does not apply.
func fastFloat(b []byte) (v float64, n int) {
	i := 0
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		i++
	}
	var digits uint64
	first := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		digits = digits*10 + uint64(b[i]-'0')
	}
	whole := i - first
	fraction := 0
	if whole > 0 && i < len(b) && b[i] == '.' {
		i++
		from := i
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			digits = digits*10 + uint64(b[i]-'0')
		}
		fraction = i - from
		if fraction == 0 {
			return 0, 0
		}
	}
	if whole == 0 || whole+fraction > 19 || digits > 1<<53 || i >= len(b) || b[i] != '"' { // 19 digits fit into 64 bits
		return 0, 0
	}
	v = float64(digits) / pow10[fraction]
	if negative {
		v = -v
	}
	return v, i
}

// parseValue parses a value as strconv.ParseFloat does, which covers NaN, +Inf, -Inf and exponents.
func parseValue(b []byte) (float64, error) {
	v, err := strconv.ParseFloat(noCopy(b), 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no value", b) // err itself refers to the buffer
	}
	return v, nil
}

// noCopy is b as a string that must not outlive the next change of b.
func noCopy(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// formatTime writes milliseconds as seconds, exactly.
func formatTime(ms int64) string {
	sign := ""
	u := uint64(ms)
	if ms < 0 {
		sign, u = "-", -u
	}
	if u%1000 == 0 {
		return sign + strconv.FormatUint(u/1000, 10)
	}
	return fmt.Sprintf("%s%d.%03d", sign, u/1000, u%1000)
}

// formatStep writes a step so that every server reads it exactly: seconds when they are whole, else a duration in
// milliseconds, because 1.001 as a float becomes 1000 ms in Prometheus.
func formatStep(ms int64) string {
	if ms%1000 == 0 {
		return strconv.FormatInt(ms/1000, 10)
	}
	return strconv.FormatInt(ms, 10) + "ms"
}
