package stage

import (
	"context"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// FlapState is what an alert does at this verdict.
type FlapState string

// The states; empty: it does not flap.
const (
	FlapBegins  FlapState = "begins"
	FlapGoesOn  FlapState = "goes_on"
	FlapSettles FlapState = "settles"
)

// samples is how many samples of the state are looked at, spans how many times
// of firing are kept for them: more than samples cannot be seen in them.
const (
	samples = 21
	spans   = samples
)

// Flap holds alerts that change all the time: Nagios' rule, the share of
// weighted changes within the last 21 samples of the alert's state on a fixed
// time grid. The samples are made from the times at which the alert says that it
// began and ended, so that they do not depend on when and in which order the
// deliveries came; deliveries alone are nearly all changes and would read as
// 100 %. P0 is never held.
//
// Source: Nagios Core manual, "Detection and Handling of State Flapping".
type Flap struct {
	Rules func() policy.Rules
	// Restarts says how often an alert of these labels began to fire within the
	// samples, as the server that evaluates it says, which also sees what
	// Alertmanager never sent; false: it is not known. May be nil.
	Restarts func(l alert.Labels) (int, bool)
}

// Name is "flap".
func (Flap) Name() string { return "flap" }

// Exec keeps the times of firing with each alert, and fills Flap.
func (f Flap) Exec(_ context.Context, ev Event) (Event, error) {
	rules := f.Rules().Noise.Flap
	if !rules.Enabled {
		return ev, nil
	}
	before := make(map[alert.Identity]int, len(ev.Verdicts)) // where the delivery says something about the alert
	for i := range ev.Verdicts {
		v := &ev.Verdicts[i]
		if at, ok := before[v.Identity]; ok {
			grade, why := v.Known.Grade, v.Known.GradeReason
			v.Known.AlertNoise = ev.Verdicts[at].Known.AlertNoise
			v.Known.Grade, v.Known.GradeReason = grade, why
		}
		v.Known.Spans = withSpan(v.Known.Spans, v.Alert)
		if v.Decision == Accepted {
			f.judge(v, rules, ev.Now)
		}
		before[v.Identity] = i
	}
	return ev, nil
}

func (f Flap) judge(v *Verdict, rules policy.Flap, now time.Time) {
	share := FlapShare(v.Known.Spans, now, time.Duration(rules.Step))
	if f.Restarts != nil {
		if n, ok := f.Restarts(v.Alert.Labels); ok {
			share = max(share, min(100, float64(2*n)*100/(samples-1)))
		}
	}
	switch flaps := !v.Known.FlappingSince.IsZero(); {
	case v.Grade == policy.P0 || (flaps && share < rules.Stop):
		v.Known.FlappingSince = time.Time{}
		if flaps {
			v.Flap = FlapSettles
		}
	case flaps:
		v.Flap = FlapGoesOn
	case share >= rules.Start:
		v.Flap, v.Known.FlappingSince = FlapBegins, now
	}
}

// withSpan adds what an alert says of its times, and keeps the newest. It is a
// union: order and repetition do not matter.
func withSpan(all []cases.Span, a alert.Alert) []cases.Span {
	if a.StartsAt.IsZero() {
		return all
	}
	out := slices.Clone(all)
	i, found := slices.BinarySearchFunc(out, a.StartsAt, func(s cases.Span, t time.Time) int { return s.From.Compare(t) })
	if !found {
		out = slices.Insert(out, i, cases.Span{From: a.StartsAt})
	}
	if a.Status == alert.Resolved && a.EndsAt.After(out[i].To) {
		out[i].To = a.EndsAt
	}
	if n := len(out) - spans; n > 0 {
		out = slices.Delete(out, 0, n)
	}
	return out
}

// FlapShare is the share of weighted changes of state, in percent, within the
// last 21 samples on the grid of multiples of step, the last one not after now.
// The weights rise from 0.8 for the oldest change to 1.2 for the newest.
func FlapShare(all []cases.Span, now time.Time, step time.Duration) float64 {
	if len(all) == 0 || step <= 0 {
		return 0
	}
	last := now.Truncate(step)
	changes := 0.0
	was := firedAt(all, last.Add(-(samples-1)*step))
	for i := 1; i < samples; i++ {
		is := firedAt(all, last.Add(-time.Duration(samples-1-i)*step))
		if is != was {
			changes += 0.8 + 0.4*float64(i-1)/(samples-2)
		}
		was = is
	}
	return changes * 100 / (samples - 1)
}

// firedAt reports whether the alert fired at a time: the newest firing that
// began by then had not ended.
func firedAt(all []cases.Span, t time.Time) bool {
	for i := len(all) - 1; i >= 0; i-- {
		if s := all[i]; !s.From.After(t) {
			return s.To.IsZero() || t.Before(s.To)
		}
	}
	return false
}

// settles is when an alert will have settled if it does not change any more.
func settles(all []cases.Span, now time.Time, rules policy.Flap) time.Time {
	step := time.Duration(rules.Step)
	at := now.Truncate(step)
	for range samples {
		at = at.Add(step)
		if FlapShare(all, at, step) < rules.Stop {
			break
		}
	}
	return at
}
