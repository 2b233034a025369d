package logs

import (
	"math"
	"strconv"
	"strings"
)

// units are what may follow a number directly, as factors of seconds and bytes; a bare letter is 1000, as people write it.
var units = map[string]float64{
	"": 1, "%": 0.01, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400,
	"B": 1, "b": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "kB": 1e3, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9,
}

// quantity reads a number with an optional sign, fraction, exponent and unit.
func quantity(s string) (float64, bool) {
	end := len(s)
	for end > 0 && (s[end-1] < '0' || s[end-1] > '9') && s[end-1] != '.' {
		end--
	}
	factor, ok := units[s[end:]]
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(s[:end], 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, false
	}
	return f * factor, true
}

func hexadecimal(s string) (float64, bool) {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
	n, err := strconv.ParseUint(s, 16, 64)
	return float64(n), err == nil
}
