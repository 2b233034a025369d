package detect

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/baseline"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/robust"
	"github.com/foreshock/foreshock/pkg/season"
	"github.com/foreshock/foreshock/pkg/series"
)

// Chooser is implemented by models of detectors that look at the training window before they decide how to judge.
type Chooser interface {
	// Choice returns what was chosen, and why.
	Choice() Choice
}

// Choice is what a detector chose for a series by its training window. The zero Choice is none.
type Choice struct {
	// Parts are the names of what is combined.
	Parts []string
	// Reason is why, as the last part of a text's key.
	Reason string
	// Share is what the reason is based on, 0 to 1: of the usual distance what the time of the day takes away, or of the samples those with one value.
	Share float64
}

// The reasons of a choice.
const (
	ReasonSeason = "season"
	ReasonLevel  = "level"
	ReasonYoung  = "young"
	ReasonSparse = "sparse"
)

// Text tells the choice and its reason in a sentence; empty for none. The language is "en" or "zh-Hans".
func (c Choice) Text(lang string) string {
	if c.Reason == "" {
		return ""
	}
	names := make([]string, len(c.Parts))
	for i, p := range c.Parts {
		names[i] = message.Text(lang, "detect.part."+p)
	}
	return message.Text(lang, "detect.choice."+c.Reason, "parts", strings.Join(names, message.Text(lang, "detect.choice.comma")), "share", fmt.Sprintf("%.0f", 100*c.Share))
}

// leastSeason is the share of the usual distance, on days held out, that the time of the day must take away to be followed.
const leastSeason = 0.03

// chooseBase decides what a sample is expected to be: the profile of the day where that predicts days which it has not seen better than one level does.
func chooseBase(s series.Series, zone *time.Location) (baseline.Fit, Choice, error) {
	chosen := Choice{Reason: ReasonYoung}
	if int64(s.Grid.N)*s.Grid.Step >= 2*season.DayMillis {
		fit, err := baseline.NewSeasonal().Fit(s, zone)
		if errors.Is(err, baseline.ErrConstant) {
			return fit, chosen, err
		}
		if err == nil {
			chosen.Share = explained(s, fit)
			if chosen.Share >= leastSeason {
				chosen.Reason = ReasonSeason
				return fit, chosen, nil
			}
			chosen.Reason = ReasonLevel
		}
	}
	fit, err := (&baseline.Level{}).Fit(s, zone)
	if errors.Is(err, baseline.ErrTooShort) {
		return fit, chosen, fmt.Errorf("%w: %w", ErrTooShort, err)
	}
	return fit, chosen, err
}

// explained returns which share of the mean distance from the median a baseline takes away on days that it has not seen, 0 at the least. The farthest hundredth of the
// samples does not count.
func explained(s series.Series, fit baseline.Fit) float64 {
	band := baseline.NewBand(s.Grid.N)
	fit.Model.Predict(s, band)
	present := robust.Drop(make([]float64, 0, s.Grid.N), s.Values)
	center := robust.MedianInPlace(present)
	left, all := make([]float64, 0, s.Grid.N), present[:0]
	for i, x := range s.Values {
		h := fit.Held[i]
		if h-h != 0 || x != x {
			continue
		}
		if h < 0 {
			h *= -band.Down[i]
		} else {
			h *= band.Up[i]
		}
		left, all = append(left, h), append(all, math.Abs(x-center))
	}
	if total := nearer(all); total > 0 {
		return max(0, 1-nearer(left)/total)
	}
	return 0
}

// nearer is the mean of distances without the farthest hundredth. It reorders them.
func nearer(distances []float64) float64 {
	k := len(distances) * 99 / 100
	if k == 0 {
		return 0
	}
	robust.Select(distances, k)
	return robust.Mean(distances[:k])
}

// sparseShare is the share of samples with one value from which a series counts as sparse.
const sparseShare = 0.6

// chooseParts decides what is combined.
func chooseParts(s series.Series, c *Choice) []partKind {
	if share := commonest(s.Values); share >= sparseShare {
		c.Reason, c.Share = ReasonSparse, share
		return sparseParts
	}
	return autoParts
}

var (
	autoParts   = []partKind{partStanding, partStanding5, partStanding120, partSudden, partSurprise5, partSurprise15, partSurprise60, partUnexpected15, partRestless15}
	sparseParts = []partKind{partStanding, partStanding5, partStanding30, partSurprise15}
)

// commonest returns the share of the samples that have the median's value: where one value is commoner than all others together, it is the median.
func commonest(values []float64) float64 {
	present := robust.Drop(make([]float64, 0, len(values)), values)
	if len(present) == 0 {
		return 0
	}
	m := robust.Select(present, len(present)/2)
	n := 0
	for _, x := range present {
		if math.Abs(x-m) <= rounding*math.Abs(m) {
			n++
		}
	}
	return float64(n) / float64(len(present))
}
