package evaluate

import (
	"fmt"
	"math"
	"strconv"

	"github.com/foreshock/foreshock/pkg/detect"
)

const (
	// fewPlaces is how many places a size needs before it decides anything.
	fewPlaces = 5
	// halfFound is the share of anomalies that nobody can overlook which a detector must find not to be called blind.
	halfFound = 0.5
	// leastRank is the share of ordinary samples that such an anomaly must outrank at its median place: less, and the ranking is upside down or means nothing.
	leastRank = 0.95
	// noisy is how many times its budget a series must exceed, with 95 % certainty of its interval, to fail for noise: a budget is kept in the mean over series, and one week of
	// one series may have several times as many by chance.
	noisy = 5
	// defaultBudget is what detectors without a budget are held to.
	defaultBudget = 1
)

// verdict says whether a detector may judge this series: not when it is blind to, or ranks wrong, every kind that it says it catches and that the policy wants, nor when it is
// far too noisy. What it is blind to besides is told.
func verdict(s SelfTested, budget float64) (TestOutcome, []Reason) {
	if budget == 0 {
		budget = defaultBudget
	}
	weak, tested := weaknesses(s)
	low, _ := RateInterval(s.Episodes, s.Exposure)
	if low > noisy*budget {
		noise := Reason{"noisy", []any{"rate", detect.Format(s.PerWeek()), "low", detect.Format(low), "budget", detect.Format(budget)}}
		return Failed, append([]Reason{noise}, weak...)
	}
	switch {
	case tested == 0:
		return NotTested, []Reason{{"no-place", []any{"restless", percent(s.Restless)}}}
	case len(weak) == tested:
		return Failed, weak
	case len(weak) > 0:
		return Passed, append([]Reason{{"weak", []any{"rate", detect.Format(s.PerWeek())}}}, weak...)
	}
	return Passed, []Reason{{"passed", []any{"rate", detect.Format(s.PerWeek())}}}
}

// weaknesses tells which of the kinds that decide the verdict the detector is blind to or ranks wrong, and how many kinds there are to decide it.
func weaknesses(s SelfTested) (weak []Reason, tested int) {
	for _, k := range s.Kinds {
		r, ok := k.largest()
		if !ok || !k.Declared || k.Kind == KindSeason || k.Kind == KindRamp {
			continue
		}
		tested++
		switch {
		case r.Share() < halfFound:
			weak = append(weak, Reason{"blind", []any{"kind", kindName(k.Kind), "found", strconv.Itoa(r.Found), "places", strconv.Itoa(r.Places)}})
		case r.Rank < leastRank:
			weak = append(weak, Reason{"ranked", []any{"kind", kindName(k.Kind), "rank", percent(r.Rank)}})
		}
	}
	return weak, tested
}

// largest returns the largest size that had enough places.
func (k KindResult) largest() (Rung, bool) {
	for i := len(k.Rungs) - 1; i >= 0; i-- {
		if k.Rungs[i].Places >= fewPlaces {
			return k.Rungs[i], true
		}
	}
	return Rung{}, false
}

func percent(x float64) string { return strconv.FormatFloat(100*x, 'f', 1, 64) + " %" }

// Joint is the verdict over all series of a rule. It fails when more than half of the series that could be tested fail, or when together they are too noisy: a rule is
// armed as a whole.
func Joint(all []SelfTested, budget float64) (TestOutcome, []Reason) {
	if budget == 0 {
		budget = defaultBudget
	}
	tested, failed := 0, 0
	exposure, episodes := 0.0, 0
	var first, untested []Reason
	for _, s := range all {
		if s.Outcome == NotTested {
			untested = s.Reasons
			continue
		}
		tested++
		exposure += s.Exposure
		episodes += s.Episodes
		if s.Outcome == Failed {
			failed++
			if first == nil {
				first = s.Reasons
			}
		}
	}
	if tested == 0 {
		if len(all) == 0 {
			return NotTested, []Reason{{Key: "no-series"}}
		}
		return NotTested, untested
	}
	low, _ := RateInterval(episodes, exposure)
	switch {
	case 2*failed > tested:
		return Failed, append([]Reason{{"most", []any{"failed", strconv.Itoa(failed), "tested", strconv.Itoa(tested)}}}, first...)
	case low > noisy*budget:
		rate := float64(episodes) / exposure
		return Failed, []Reason{{"noisy", []any{"rate", detect.Format(rate), "low", detect.Format(low), "budget", detect.Format(budget)}}}
	}
	return Passed, []Reason{{"rule-passed", []any{"passed", strconv.Itoa(tested - failed), "tested", strconv.Itoa(tested)}}}
}

// Blind reports whether most of the series of a rule in which something could be put show a detector that is blind, or ranks wrong, and why. Noise does not count: it is what the
// series are like as much as what the detector is, and one incident that all of them share makes an episode in each.
func Blind(all []SelfTested) (bool, []Reason) {
	tested, failed := 0, 0
	var first []Reason
	for _, s := range all {
		weak, kinds := weaknesses(s)
		if kinds == 0 {
			continue
		}
		tested++
		if len(weak) == kinds {
			failed++
			if first == nil {
				first = weak
			}
		}
	}
	if 2*failed <= tested {
		return false, nil
	}
	return true, append([]Reason{{"most", []any{"failed", strconv.Itoa(failed), "tested", strconv.Itoa(tested)}}}, first...)
}

// SizeText writes a size as reports do: "5", "6 h", or ∞ for the one that nobody can overlook; a dash for none.
func (k KindResult) SizeText(size float64) string {
	switch {
	case size != size:
		return "–"
	case math.IsInf(size, 1):
		return "∞"
	case k.Hours && size < 1:
		return fmt.Sprintf("%g min", size*60)
	case k.Hours:
		return fmt.Sprintf("%g h", size)
	}
	return strconv.FormatFloat(size, 'g', 3, 64)
}
