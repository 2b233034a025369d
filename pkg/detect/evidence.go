package detect

import (
	"math"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
)

// Evidence is what the samples before an episode say about the hour of its peak, for the reason: a reader can check it without knowing the model.
type Evidence struct {
	// Days is how many earlier days of the training window have samples at that time of the day, give or take half an hour.
	Days int
	// Low and High are the lowest and the highest of them; NaN without any.
	Low, High float64
	// Reached is on how many of these days a sample went as far as the peak.
	Reached int
	// LastWeekLow and LastWeekHigh are the same for the day one week before; NaN when it has none.
	LastWeekLow, LastWeekHigh float64
}

// besideMillis is how far from the same time of day a sample may lie and still be compared.
const besideMillis = 30 * 60 * 1000

// evidence gathers what the train milliseconds before the peak of an episode have at that hour.
func evidence(s series.Series, e Episode, train int64) Evidence {
	v := Evidence{Low: math.NaN(), High: math.NaN(), LastWeekLow: math.NaN(), LastWeekHigh: math.NaN()}
	for day := int64(1); day*season.DayMillis+besideMillis <= train+season.DayMillis/2; day++ {
		at := e.PeakAt - day*season.DayMillis
		low, high := span(s.Between(at-besideMillis, at+besideMillis+1).Values)
		if low != low {
			continue
		}
		v.Days++
		v.Low, v.High = least(v.Low, low), -least(-v.High, -high)
		if e.Direction == "up" && high >= e.Actual || e.Direction == "down" && low <= e.Actual {
			v.Reached++
		}
		if day == 7 {
			v.LastWeekLow, v.LastWeekHigh = low, high
		}
	}
	return v
}

// least returns the lesser of two numbers, of which the first may be NaN.
func least(a, b float64) float64 {
	if a != a || b < a {
		return b
	}
	return a
}

// span returns the lowest and the highest usable value; NaN without any.
func span(values []float64) (low, high float64) {
	low, high = math.NaN(), math.NaN()
	for _, x := range values {
		if baseline.Usable(x) {
			low, high = least(low, x), -least(-high, -x)
		}
	}
	return low, high
}
