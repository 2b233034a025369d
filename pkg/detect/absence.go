package detect

import (
	"math"

	"github.com/foreshock/foreshock/pkg/series"
)

// absent is the direction of an episode of a series that stopped.
const absent = "absent"

// steady is the share of the samples of the horizon before it stopped that a series must have had for its absence to be an episode.
const steady = 0.9

// markAbsent gives the samples of a series that has stopped the state Stale: nothing came for as long as separates episodes, and something did within the training window.
// With a policy that asks for it, a steady series that stops is an episode, from the sample at which its absence lasted that long until it returns or the horizon is over.
// At muted times nobody is alarmed. It looks at the samples of s before each time only.
func (p Policy) markAbsent(s series.Series, train int64, muted func(int64) bool, v *Verdicts) {
	step := s.Grid.Step
	stale := int64(p.outage(step)) * step
	first, ok := s.Grid.Index(v.Series.Grid.Start)
	if !ok || v.Series.Grid.N == 0 {
		return
	}
	last := first - 1
	for last >= 0 && !(s.Values[last] == s.Values[last]) {
		last--
	}
	var open *Episode
	end := func(t int64) {
		if open != nil {
			open.Ended = t
			v.Episodes, open = append(v.Episodes, *open), nil
		}
	}
	for i := range v.Series.Grid.N {
		if x := v.Series.Values[i]; x == x {
			last = first + i
			end(s.Grid.At(last))
			continue
		}
		if last < 0 {
			continue
		}
		now := v.Series.Grid.At(i)
		missing := now - s.Grid.At(last)
		if missing < stale || missing > train {
			end(now)
			continue
		}
		v.State[i] = Stale
		wait := p.Absent.Milliseconds()
		if wait == 0 || missing < wait || missing > wait+p.Horizon.Milliseconds() || muted(now) || !p.wasSteady(s, last) {
			end(now)
			continue
		}
		v.Anomalous[i], v.Score[i] = true, 1
		v.Onset[i] = 0
		confirmed := series.Floor(s.Grid.At(last)+wait+step-1, step)
		for muted(confirmed) { // it is told when the muted time is over
			confirmed += step
		}
		if now == confirmed {
			v.Onset[i] = 1
		}
		if open == nil {
			began := s.Grid.At(last) + step
			open = &Episode{
				Began: began, Confirmed: confirmed, Peak: 1, PeakAt: began, Direction: absent,
				Actual: math.NaN(), Expected: math.NaN(), Lower: math.NaN(), Upper: math.NaN(),
			}
		}
		open.Samples = int(missing / step)
	}
	if open != nil {
		v.Episodes = append(v.Episodes, *open)
	}
}

// wasSteady reports whether nearly all samples of the horizon up to sample last are there.
func (p Policy) wasSteady(s series.Series, last int) bool {
	n := int(p.Horizon.Milliseconds() / s.Grid.Step)
	if last+1 < n {
		return false
	}
	return float64(s.Slice(last+1-n, last+1).Present()) >= steady*float64(n)
}

// Watches reports whether a series that has no sample from a time (milliseconds) on is to be judged all the same: the policy has an eye on its absence, and the horizon
// after which that is the new normal is not over.
func (p Policy) Watches(s series.Series, from int64) bool {
	return p.Absent > 0 && s.Between(from-p.Absent.Milliseconds()-p.Horizon.Milliseconds(), from).Present() > 0
}

// Missing returns the state of a series without a sample at a time: Stale when it has had none for as long as separates episodes, else Gap.
func (p Policy) Missing(s series.Series, at int64) State {
	if s.Between(at-int64(p.outage(s.Grid.Step)-1)*s.Grid.Step, at+1).Present() == 0 {
		return Stale
	}
	return Gap
}
