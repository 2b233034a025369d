package detect

import (
	"math"
	"strconv"
	"time"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
)

// Explain tells in one sentence what an episode was: what came, how far from what was usual, which part of the model says so, since when and for how long, what the days
// before had at that hour, and the score. The language is "en" or "zh-Hans"; clock times are in loc (nil: UTC), and step is the distance of the samples in milliseconds.
func (e Episode) Explain(lang string, loc *time.Location, step int64) string {
	if loc == nil {
		loc = time.UTC
	}
	stamp := func(ms int64) string { return time.UnixMilli(ms).In(loc).Format("2006-01-02 15:04:05 MST") }
	if e.Direction == absent {
		return message.Text(lang, "detect.reason.absent", "since", stamp(e.Began))
	}
	side, bound := "above", e.Upper
	if e.Direction == "down" {
		side, bound = "below", e.Lower
	}
	key := "detect.reason." + side
	switch {
	case e.Expected != e.Expected:
		key = "detect.reason.unusual"
	case e.Lower == e.Upper:
		key = "detect.reason.constant"
	case !e.beyond():
		key = "detect.reason.shape." + side
	}
	return message.Text(lang, key,
		"value", Format(e.Actual), "expected", Format(e.Expected), "lower", Format(e.Lower), "upper", Format(e.Upper),
		"factor", factor(e.Actual-e.Expected, bound-e.Expected), "part", e.part(lang, loc), "since", stamp(e.Began),
		"duration", registry.Duration(time.Duration(int64(e.Samples)*step)*time.Millisecond).String(),
		"evidence", e.Evidence.text(lang, side, weekday(lang, e.PeakAt, loc)), "score", Format(e.Peak))
}

// beyond reports whether the value lies outside of limits on the side of its direction. A value may be abnormal without: for what came just before it.
func (e Episode) beyond() bool {
	if e.Direction == "down" {
		return e.Actual <= e.Lower
	}
	return e.Actual >= e.Upper
}

// part names what in the model the verdict rests on, in the words of the detector: "usual Friday 14:00 range".
func (e Episode) part(lang string, loc *time.Location) string {
	key := "detect.part." + e.Detector
	if !message.Has(key) {
		key = "detect.part.other"
		if !e.beyond() {
			key = "detect.part.shape"
		}
	}
	return message.Text(lang, key, "weekday", weekday(lang, e.PeakAt, loc), "clock", time.UnixMilli(e.PeakAt).In(loc).Format("15:04"))
}

func weekday(lang string, ms int64, loc *time.Location) string {
	return message.Text(lang, "detect.weekday."+strconv.Itoa(int(time.UnixMilli(ms).In(loc).Weekday())))
}

// text tells what the days before had at that hour; nothing when there were none.
func (v Evidence) text(lang, side, weekday string) string {
	if v.Days == 0 {
		return ""
	}
	extreme, lastWeek := v.High, v.LastWeekHigh
	if side == "below" {
		extreme, lastWeek = v.Low, v.LastWeekLow
	}
	switch {
	case v.Reached > 0:
		return message.Text(lang, "detect.evidence.reached", "reached", v.Reached, "days", v.Days)
	case lastWeek != lastWeek:
		return message.Text(lang, "detect.evidence.never."+side, "extreme", Format(extreme), "days", v.Days)
	}
	return message.Text(lang, "detect.evidence.week."+side, "extreme", Format(extreme), "days", v.Days, "weekday", weekday, "last", Format(lastWeek))
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
	if x == 0 {
		return "0"
	}
	if a := math.Abs(x); a >= 1e6 || a < 1e-4 {
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(x))))
	return strconv.FormatFloat(x, 'f', min(max(digits, 0), 6), 64)
}
