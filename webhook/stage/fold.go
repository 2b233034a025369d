package stage

import (
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// answer is what the Authority said about one alert.
type answer struct {
	firing bool
	err    error // it could not be asked, or was not
}

// fold adds one observation to what is known of its alert.
//
// What is known is two maxima: the newest start of any firing and the newest
// end of any resolution. It fires when the start is after the end. Maxima do
// not depend on order or repetition, nor does the state. One thing cannot be
// told that way: a firing whose start is before a known end, see contradicts.
// Then the answer decides.
func fold(k cases.Alert, a alert.Alert, ans answer) (cases.Alert, Decision, Reason, string) {
	if a.Status == alert.Resolved {
		return foldResolved(k, a, ans)
	}
	return foldFiring(k, a, ans)
}

func foldFiring(k cases.Alert, a alert.Alert, ans answer) (cases.Alert, Decision, Reason, string) {
	was, known := k.Firing(), k.LastFired
	covered := contradicts(k, a)
	k.LastFired = later(known, a.StartsAt)
	switch {
	case was && a.StartsAt.Equal(known):
		return k, Dropped, ReasonRepeat, ""
	case was && a.StartsAt.Before(known):
		return k, Dropped, ReasonSuperseded, "it fires since a later time already"
	case was:
		return k, Accepted, ReasonRestarted, ""
	case !covered:
		return k, Accepted, ReasonFired, ""
	case ans.err != nil:
		k.Disbelieved = k.LastEnded
		return k, Accepted, ReasonBelieved, "it was resolved before; Alertmanager could not be asked (" + ans.err.Error() + "), so the firing is believed"
	case ans.firing:
		k.Disbelieved = k.LastEnded
		return k, Accepted, ReasonBelieved, "it was resolved before, but Alertmanager says that it fires"
	}
	return k, Dropped, ReasonLate, "it arrived after its resolution, and Alertmanager says that it is over"
}

func foldResolved(k cases.Alert, a alert.Alert, ans answer) (cases.Alert, Decision, Reason, string) {
	was, contradicted := k.Firing(), k.Contradicted()
	switch {
	case a.EndsAt.Before(k.LastEnded):
		return foldEarlierEnd(k, a, ans)
	case a.EndsAt.Equal(k.LastEnded):
		if a.StartsAt.Before(k.EndedFrom) {
			k.EndedFrom = a.StartsAt
		}
		if !contradicted {
			return k, Dropped, ReasonRepeat, ""
		}
		if ans.err != nil || ans.firing {
			return k, Dropped, ReasonStillFiring, "this resolution was contradicted by a firing, and Alertmanager does not confirm it"
		}
		k.Disbelieved = time.Time{}
		return k, Accepted, ReasonResolved, "Alertmanager says that it is over"
	}
	before := k.LastEnded
	k.EndedFrom, k.LastEnded = a.StartsAt, a.EndsAt
	switch {
	case was && k.Firing():
		return k, Dropped, ReasonSuperseded, "it fires again since a later time"
	case was:
		return k, Accepted, ReasonResolved, ""
	case k.LastFired.IsZero() || a.StartsAt.After(before):
		return k, Accepted, ReasonMissed, "its firing was not seen"
	}
	return k, Dropped, ReasonRepeat, ""
}

// foldEarlierEnd folds a resolution that ends before the newest known end. That
// end may have come from a clock that was ahead; when a firing has contradicted
// it, this may be how that firing ended.
func foldEarlierEnd(k cases.Alert, a alert.Alert, ans answer) (cases.Alert, Decision, Reason, string) {
	fits := a.StartsAt.After(k.EndedFrom) && !a.EndsAt.Before(k.LastFired)
	switch {
	case !k.Contradicted() || (ans.err != nil && !fits):
		return k, Dropped, ReasonSuperseded, "a later end is known"
	case ans.firing:
		return k, Dropped, ReasonStillFiring, "Alertmanager says that it still fires"
	}
	k.Disbelieved = time.Time{}
	if ans.err != nil {
		return k, Accepted, ReasonResolved, "it is the end of the firing that was believed"
	}
	return k, Accepted, ReasonResolved, "Alertmanager says that it is over"
}

// contradicts reports whether the observation cannot be folded without asking:
// a firing that starts before the newest end (it may be late, or clocks may have
// disagreed), or a resolution that is no newer after that end was contradicted.
func contradicts(k cases.Alert, a alert.Alert) bool {
	if k.LastEnded.IsZero() {
		return false
	}
	if a.Status == alert.Resolved {
		return k.Contradicted() && !a.EndsAt.After(k.LastEnded)
	}
	return !k.Firing() && !a.StartsAt.After(k.LastEnded)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
