package collector

import (
	"bytes"
	"errors"
	"math"
	"strconv"
)

// The kernel's text files are lines of fields between spaces. These functions cut them without allocating.

var errNotNumber = errors.New("not a whole number")

// cutLine returns the first line of b without its end, and the rest.
func cutLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// cutField returns the first field of a line, which is empty at its end, and the rest. Fields are separated by spaces and tabs.
func cutField(b []byte) (field, rest []byte) {
	i := 0
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	j := i
	for j < len(b) && !isSpace(b[j]) {
		j++
	}
	return b[i:j], b[j:]
}

// isSpace holds for what separates fields. Other control bytes are data: the kernel escapes those that would break a line.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// parseUint reads a decimal number of at most 64 bits.
func parseUint(b []byte) (uint64, error) {
	if len(b) == 0 || len(b) > 20 {
		return 0, errNotNumber
	}
	if len(b) == 20 { // the only length that can overflow
		v, err := strconv.ParseUint(string(b), 10, 64)
		if err != nil {
			return 0, errNotNumber
		}
		return v, nil
	}
	var v uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, errNotNumber
		}
		v = v*10 + uint64(c-'0')
	}
	return v, nil
}

// parseUints reads the numbers of a line into dst and returns how many there were; more than fit are left.
func parseUints(line []byte, dst []uint64) (int, error) {
	for i := range dst {
		var field []byte
		field, line = cutField(line)
		if len(field) == 0 {
			return i, nil
		}
		v, err := parseUint(field)
		if err != nil {
			return i, err
		}
		dst[i] = v
	}
	return len(dst), nil
}

// shorten keeps what a file holds readable in an error.
func shorten(b []byte) []byte {
	if len(b) > 60 {
		return append(append([]byte(nil), b[:57]...), "..."...)
	}
	return b
}

// parseHex reads a hexadecimal number of at most 64 bits.
func parseHex(b []byte) (uint64, error) {
	v, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil {
		return 0, errNotNumber
	}
	return v, nil
}

// parseFloat reads a number that is finite.
func parseFloat(b []byte) (float64, error) {
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, errNotNumber
	}
	return v, nil
}
