package detect

import (
	"math"
	"strconv"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
)

// Explain tells in one sentence what an episode was: what came, what was expected, since when and for how long. The language is "en" or
// "zh-Hans"; clock times are in loc (nil: UTC), and step is the distance of the samples in milliseconds.
func (e Episode) Explain(lang string, loc *time.Location, step int64) string {
	if loc == nil {
		loc = time.UTC
	}
	key := "detect.reason.above"
	bound := e.Upper
	if e.Direction == "down" {
		key, bound = "detect.reason.below", e.Lower
	}
	return message.Text(lang, key,
		"value", Format(e.Actual), "expected", Format(e.Expected), "lower", Format(e.Lower), "upper", Format(e.Upper),
		"factor", factor(e.Actual-e.Expected, bound-e.Expected), "since", time.UnixMilli(e.Began).In(loc).Format("2006-01-02 15:04:05 MST"),
		"duration", registry.Duration(time.Duration(int64(e.Samples)*step)*time.Millisecond).String())
}

// factor is how many times the usual distance the value is away, in words.
func factor(distance, usual float64) string {
	f := math.Abs(distance / usual)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "∞"
	}
	return Format(f)
}

// Format writes a value for people: three significant digits, no exponent where it can be read without.
func Format(x float64) string {
	if math.IsNaN(x) {
		return "–"
	}
	if a := math.Abs(x); a >= 1e6 || (a < 1e-4 && a > 0) {
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	digits := 2 - int(math.Floor(math.Log10(max(math.Abs(x), 1e-9))))
	return strconv.FormatFloat(x, 'f', min(max(digits, 0), 6), 64)
}
