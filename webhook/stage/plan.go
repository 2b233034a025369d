package stage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Plan turns accepted verdicts into cases, timelines and actions.
type Plan struct {
	Rules func() policy.Rules // read once per delivery, so that a reload takes effect
	NewID func() string       // unique and sorting by time; nil: ULIDs
}

// Name is "plan".
func (Plan) Name() string { return "plan" }

// Exec fills Change and CaseChanges.
func (p Plan) Exec(_ context.Context, ev Event) (Event, error) {
	if p.Rules == nil {
		return ev, errors.New("no rules")
	}
	newID := p.NewID
	if newID == nil {
		newID = func() string { return ulid.Make().String() }
	}
	d := newDraft(ev, p.Rules(), newID)
	for i := range ev.Verdicts {
		if err := d.verdict(i); err != nil {
			return ev, fmt.Errorf("alert %s: %w", ev.Verdicts[i].Identity, err)
		}
	}
	if err := d.finish(); err != nil {
		return ev, err
	}
	return d.ev, nil
}

// verdict takes one verdict into the draft.
func (d *draft) verdict(i int) error {
	v := &d.ev.Verdicts[i]
	if k, ok := d.alerts[v.Identity]; ok {
		v.Known.CaseID = k.CaseID // from an earlier verdict of this delivery
	}
	var err error
	if v.Decision == Accepted {
		switch v.Reason {
		case ReasonResolved:
			err = d.ended(v)
		case ReasonMissed:
			err = d.missed(v)
		default:
			err = d.fired(v)
		}
	}
	v.CaseID = v.Known.CaseID
	d.alerts[v.Identity] = v.Known
	return err
}

// fired opens, reopens or joins a case.
func (d *draft) fired(v *Verdict) error {
	joined, what := v.Known.CaseID, cases.What("")
	c, ok := d.find(v)
	switch {
	case !ok:
		c = d.open(v, cases.New)
		d.follow(func(f *cases.Follow) { f.Begin(&c) })
		d.count("opened")
		d.event(c, cases.Event{Kind: cases.Opened, To: string(c.State), Note: string(c.GradeReason)}, v)
		what = cases.WhatOpened
	case c.State == cases.Resolved:
		c.Epoch++
		c.StartedAt = v.Alert.StartsAt
		c.ResolvedAt, c.AckedAt, c.AckExpiry, c.AckedBy = time.Time{}, time.Time{}, time.Time{}, ""
		if err := d.move(&c, cases.Reopen, v); err != nil {
			return err
		}
		c = d.assess(c, v)
		d.follow(func(f *cases.Follow) { f.Begin(&c) })
		d.count("reopened")
		d.cancel(c.ID, "the case was reopened", cases.AutoClose)
		what = cases.WhatReopened
	case c.Firing == 0:
		// A person reopened it while nothing fired, and nobody was told.
		c = d.assess(c, v)
		what = cases.WhatReopened
	}
	if v.Reason != ReasonRestarted || joined != c.ID {
		c.Firing++
	}
	if joined != c.ID {
		c.Total++
	}
	if v.Alert.StartsAt.Before(c.StartedAt) {
		c.StartedAt = v.Alert.StartsAt
	}
	kind := cases.Fired
	if v.Reason == ReasonBelieved {
		kind = cases.Believed
	}
	d.event(c, cases.Event{Kind: kind, Note: v.Note}, v)
	v.Known.CaseID = c.ID
	d.put(c)
	if what != "" {
		d.tell(c, what, v)
	} else {
		d.join(c, v)
	}
	return nil
}

// ended notes the end of an alert, and resolves its case with the last one.
func (d *draft) ended(v *Verdict) error {
	c, ok := d.cases[v.Known.CaseID]
	if !ok {
		return nil // the case was deleted after its retention
	}
	c.Firing = max(0, c.Firing-1)
	d.event(c, cases.Event{Kind: cases.AlertEnded, Note: v.Note}, v)
	if c.Firing == 0 && c.Open() {
		c.ResolvedAt = d.ev.Now
		if err := d.move(&c, cases.Resolve, v); err != nil {
			return err
		}
		d.follow(func(f *cases.Follow) { f.End(&c, "resolved") })
		d.count("resolved")
		d.tell(c, cases.WhatResolved, v)
		d.closeLater(c)
	}
	d.put(c)
	return nil
}

// missed records an alert that was over before it was seen to fire: as a case
// that is resolved from the start, about which nobody is told.
func (d *draft) missed(v *Verdict) error {
	c, ok := d.find(v)
	if !ok {
		c = d.open(v, cases.Resolved)
		c.ResolvedAt = d.ev.Now
		d.count("missed")
		d.event(c, cases.Event{Kind: cases.Opened, To: string(c.State), Note: v.Note}, v)
		d.closeLater(c)
	}
	if v.Known.CaseID != c.ID {
		c.Total++
	}
	d.event(c, cases.Event{Kind: cases.AlertEnded, Note: v.Note}, v)
	v.Known.CaseID = c.ID
	d.put(c)
	return nil
}

// find is the case that a verdict belongs to: the alert's own while that is not
// closed, else the one that is not closed under its key.
func (d *draft) find(v *Verdict) (cases.Case, bool) {
	for _, id := range []string{v.Known.CaseID, d.byKey[caseKey(v.Identity)]} {
		if c, ok := d.cases[id]; ok && c.State != cases.Closed {
			return c, true
		}
	}
	return cases.Case{}, false
}

// open makes a case. It is not a transition: there is no state before.
func (d *draft) open(v *Verdict, state cases.State) cases.Case {
	c := cases.Case{
		ID: d.newID(), Key: caseKey(v.Identity), Cluster: v.Identity.Cluster,
		Title: Title(v.Alert), Labels: v.Alert.Labels, State: state,
		Epoch: 1, StartedAt: v.Alert.StartsAt, OpenedAt: d.ev.Now,
	}
	return d.assess(c, v)
}

// assess grades a case and finds who is to be told.
func (d *draft) assess(c cases.Case, v *Verdict) cases.Case {
	c.Grade, c.GradeReason = d.rules.Grade(v.Alert.Labels)
	c.Channels, c.Routes = d.rules.Channels(c.Grade, v.Alert.Labels)
	return c
}

// Title is one line for people: the alert's name and its summary, or else what
// it is about. It holds no control characters and at most 200 of others.
func Title(a alert.Alert) string {
	title := a.Name()
	for _, text := range []string{a.Annotations["summary"], a.Annotations["title"], a.Labels["service"], a.Labels["instance"], a.Labels["job"]} {
		if text != "" {
			title += ": " + text
			break
		}
	}
	title = strings.Join(strings.FieldsFunc(title, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	}), " ")
	if r := []rune(title); len(r) > 200 {
		title = string(r[:199]) + "…"
	}
	return title
}
