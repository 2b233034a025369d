package stage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// SplitOrder asks to take alerts out of a case, into one of their own.
type SplitOrder struct {
	Case    cases.Case
	Members []cases.Alert // of the case
	Take    []string      // identities of those that leave
	By      string
	Origin  string // where the request came from
	Note    string
	Now     time.Time
	NewID   func() string
}

// maxRemembered bounds how many of the alerts that stay are remembered one by one
// as not belonging to those that left.
const maxRemembered = 100

// ErrNothingToSplit says that a split would leave nothing behind, or take
// nothing.
var ErrNothingToSplit = errors.New("want some of the alerts of the case, and not all of them")

// Split makes the change, and names the case that the alerts are in then. It is
// remembered: the alerts are not merged with that case again, nor with those that
// stayed in it.
func Split(o SplitOrder, rules policy.Rules) (cases.Change, string, error) {
	var left, stay []cases.Alert
	for _, m := range o.Members {
		if slices.Contains(o.Take, m.Identity.String()) {
			left = append(left, m)
		} else {
			stay = append(stay, m)
		}
	}
	if len(left) == 0 || len(stay) == 0 || len(left) != len(o.Take) {
		return cases.Change{}, "", ErrNothingToSplit
	}
	byAge := func(a, b cases.Alert) int {
		if c := a.LastFired.Compare(b.LastFired); c != 0 {
			return c
		}
		return a.Identity.Compare(b.Identity)
	}
	slices.SortFunc(left, byAge)
	slices.SortFunc(stay, byAge)
	ev := Event{Now: micros(o.Now), Prior: cases.Prior{Cases: map[string]cases.Case{o.Case.ID: o.Case}}}
	d := newDraft(ev, rules, o.NewID)
	old := d.thin(o, left, stay)
	c, err := d.apart(o, left)
	if err != nil {
		return cases.Change{}, "", err
	}
	for _, m := range left {
		d.event(old, cases.Event{Kind: cases.Left, Actor: o.By, Origin: o.Origin, To: c.ID, Alert: m.Identity.String(), Note: o.Note}, nil)
		d.event(c, cases.Event{Kind: cases.Joined, From: o.Case.ID, Alert: m.Identity.String(), Note: "split: " + o.By + " took it out of case " + o.Case.ID}, nil)
		m.CaseID = c.ID
		m.Joined = cases.Membership{How: cases.HowSplit, Evidence: "taken out by " + o.By, At: ev.Now, From: o.Case.ID}
		d.ev.Change.Alerts = append(d.ev.Change.Alerts, m)
		d.ev.Change.Splits = append(d.ev.Change.Splits, remember(m, o, stay, ev.Now)...)
	}
	for i := range d.ev.Change.Events {
		if e := &d.ev.Change.Events[i]; e.Kind == cases.Left || e.Kind == cases.Joined {
			e.Actor, e.Origin = o.By, o.Origin
		}
	}
	return d.ev.Change, c.ID, d.finish()
}

// thin takes the alerts out of the old case, and resolves it when nothing of it
// fires any more.
func (d *draft) thin(o SplitOrder, left, stay []cases.Alert) cases.Case {
	old := o.Case
	old.Total = max(0, old.Total-len(left))
	for _, m := range left {
		if m.Counts() {
			old.Firing = max(0, old.Firing-1)
		}
		if m.Identity.String() == old.Key {
			old.Key = caseKey(stay[0].Identity)
		}
	}
	old.CaseNoise.Told = min(old.CaseNoise.Told, old.Total)
	d.put(old)
	if old.Firing == 0 && old.Open() {
		old.ResolvedAt = d.ev.Now
		if err := d.move(&old, cases.Resolve, nil); err == nil { // every open state has it
			d.follow(func(f *cases.Follow) { f.End(&old, "resolved") })
			d.closeLater(old)
			d.put(old)
			d.tell(old, telling{what: cases.WhatResolved, alerts: lasts(stay), note: "what still fires was taken out by " + o.By})
		}
	}
	return d.cases[old.ID]
}

// apart makes the case of the alerts that left.
func (d *draft) apart(o SplitOrder, left []cases.Alert) (cases.Case, error) {
	first := left[0]
	v := &Verdict{Alert: first.Last, Identity: first.Identity, Grade: first.Grade, Due: first.GradeReason}
	for _, m := range left {
		if m.GradeReason != "" && m.Grade < v.Grade {
			v.Grade, v.Due = m.Grade, m.GradeReason
		}
	}
	state := cases.Resolved
	firing := 0
	for _, m := range left {
		firing += b2i(m.Counts())
	}
	if firing > 0 {
		state = cases.New
	}
	c := d.open(v, state)
	c.Firing, c.Total, c.StartedAt = firing, len(left), first.LastFired
	d.event(c, cases.Event{Kind: cases.Opened, To: string(state), Note: fmt.Sprintf("%s took %d alerts out of case %s", o.By, len(left), o.Case.ID)}, nil)
	if state == cases.Resolved {
		c.ResolvedAt = d.ev.Now
		d.put(c)
		d.closeLater(c)
		return c, nil
	}
	d.follow(func(f *cases.Follow) { f.Begin(&c) })
	d.put(c)
	d.tell(c, telling{what: cases.WhatOpened, alerts: lasts(left), note: strings.TrimSuffix("taken out of case "+o.Case.ID+" by "+o.By+": "+o.Note, ": "), whole: true})
	return d.cases[c.ID], nil
}

// remember is that an alert belongs neither to the case nor to those that stayed.
func remember(m cases.Alert, o SplitOrder, stay []cases.Alert, now time.Time) []cases.Split {
	name := m.Identity.String()
	out := []cases.Split{{Alert: name, Key: o.Case.Key, By: o.By, At: now}}
	for i, s := range stay {
		if i == maxRemembered {
			break
		}
		if other := s.Identity.String(); other != o.Case.Key {
			out = append(out, cases.Split{Alert: name, Key: other, By: o.By, At: now}, cases.Split{Alert: other, Key: name, By: o.By, At: now})
		}
	}
	if o.Case.Key == name {
		out = out[1:] // not from itself
	}
	return out
}
