package stage

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// draft is the change that Plan writes, while it is being written.
type draft struct {
	ev     Event
	rules  policy.Rules
	newID  func() string
	alerts map[alert.Identity]cases.Alert // as changed so far
	cases  map[string]cases.Case          // prior, overlaid with what changed
	byKey  map[string]string
	fresh  map[string]bool // IDs of changed cases
	told   []telling
}

// telling is one message about a case; alerts of one delivery that cause the
// same message share it.
type telling struct {
	what   cases.What
	of     cases.Case // as it was then
	alerts []alert.Alert
	more   int
	note   string
}

func newDraft(ev Event, rules policy.Rules, newID func() string) *draft {
	d := &draft{
		ev: ev, rules: rules, newID: newID, alerts: map[alert.Identity]cases.Alert{},
		cases: maps.Clone(ev.Prior.Cases), byKey: maps.Clone(ev.Prior.ByKey), fresh: map[string]bool{},
	}
	if d.cases == nil {
		d.cases = map[string]cases.Case{}
	}
	if d.byKey == nil {
		d.byKey = map[string]string{}
	}
	d.ev.Verdicts = slices.Clone(ev.Verdicts)
	d.ev.Change = cases.Change{Delivery: &d.ev.Delivery}
	d.ev.CaseChanges = map[string]int{}
	return d
}

// at is when this delivery changes a case; see cases.Case.Next.
func (d *draft) at(c cases.Case) time.Time { return d.ev.Prior.Cases[c.ID].Next(d.ev.Now) }

func (d *draft) put(c cases.Case) {
	c.UpdatedAt = d.at(c)
	d.cases[c.ID] = c
	d.fresh[c.ID] = true
	if c.State != cases.Closed {
		d.byKey[c.Key] = c.ID
	}
}

func (d *draft) count(what string) { d.ev.CaseChanges[what]++ }

// move makes a transition and its line in the timeline.
func (d *draft) move(c *cases.Case, on cases.Trigger, v *Verdict) error {
	from := c.State
	to, err := cases.NextState(from, on)
	if err != nil {
		return err
	}
	c.State = to
	d.event(*c, cases.Event{Kind: cases.StateChanged, From: string(from), To: string(to), Note: string(on)}, v)
	return nil
}

func (d *draft) event(c cases.Case, e cases.Event, v *Verdict) {
	e.CaseID, e.At, e.DeliveryID = c.ID, d.ev.Now, d.ev.Delivery.ID
	e.Actor, e.Alert = string(d.ev.Delivery.Message.Source), v.Identity.String()
	if e.Kind == cases.StateChanged || e.Kind == cases.Opened {
		e.Actor = cases.System
	}
	d.ev.Change.Events = append(d.ev.Change.Events, e)
}

func (d *draft) cancel(caseID, reason string, kinds ...cases.Kind) {
	d.ev.Change.Cancel = append(d.ev.Change.Cancel, cases.CancelActions{CaseID: caseID, Kinds: kinds, At: d.ev.Now, Reason: reason})
}

// tell plans a message about the case as it is now.
func (d *draft) tell(c cases.Case, what cases.What, v *Verdict) {
	c.UpdatedAt = d.at(c)
	d.told = append(d.told, telling{what: what, of: c, alerts: []alert.Alert{v.Alert}, note: v.Note})
}

// join adds an alert to the message about its case that this delivery causes
// anyway; without one it stays silent.
func (d *draft) join(c cases.Case, v *Verdict) {
	for i := len(d.told) - 1; i >= 0; i-- {
		t := &d.told[i]
		if t.of.ID != c.ID {
			continue
		}
		if t.what == cases.WhatResolved {
			return
		}
		c.UpdatedAt = d.at(c)
		if t.of = c; len(t.alerts) < cases.MaxNoticeAlerts {
			t.alerts = append(t.alerts, v.Alert)
		} else {
			t.more++
		}
		return
	}
}

func (d *draft) closeLater(c cases.Case) {
	d.action(c, cases.Action{
		Key: fmt.Sprintf("%s/%d/close", c.ID, c.Epoch), Kind: cases.AutoClose, Channel: cases.InternalChannel,
		Planned: d.ev.Now.Add(time.Duration(d.rules.CloseAfter)),
	})
}

func (d *draft) action(c cases.Case, a cases.Action) {
	a.ID, a.CaseID, a.Epoch = d.newID(), c.ID, c.Epoch
	a.Lane = a.Channel + "/" + c.ID
	a.State, a.Due, a.CreatedAt, a.UpdatedAt = cases.Due, a.Planned, d.ev.Now, d.ev.Now
	if at := d.at(c); a.Planned.Before(at) {
		a.Planned = at // the order within the lane; when it is due stays
	}
	d.ev.Change.Actions = append(d.ev.Change.Actions, a)
}

// follow adds what follows from a change of a case to the draft.
func (d *draft) follow(then func(*cases.Follow)) {
	f := cases.Follow{Rules: d.rules, Now: d.ev.Now, NewID: d.newID}
	then(&f)
	d.ev.Change.Actions = append(d.ev.Change.Actions, f.Actions...)
	d.ev.Change.Cancel = append(d.ev.Change.Cancel, f.Cancel...)
}

// finish writes what only the end of the delivery knows: the rows, the messages
// and one observation per alert.
func (d *draft) finish() error {
	ch := &d.ev.Change
	for _, t := range d.told {
		if err := d.notify(t); err != nil {
			return err
		}
	}
	for _, id := range identities(d.ev.Verdicts) {
		ch.Alerts = append(ch.Alerts, d.alerts[id])
	}
	for _, id := range slices.Sorted(maps.Keys(d.fresh)) {
		ch.Cases = append(ch.Cases, d.cases[id])
	}
	for i, v := range d.ev.Verdicts {
		ch.Observations = append(ch.Observations, cases.Observation{
			DeliveryID: d.ev.Delivery.ID, N: i, Identity: v.Identity, Status: v.Alert.Status,
			StartsAt: v.Alert.StartsAt, EndsAt: v.Alert.EndsAt, At: d.ev.Now,
			Decision: string(v.Decision), Reason: string(v.Reason), Note: v.Note, CaseID: v.CaseID,
		})
	}
	return nil
}

func (d *draft) notify(t telling) error {
	c := t.of
	n := cases.Notice{What: t.what, At: d.ev.Now, Case: c, Alerts: t.alerts, More: t.more, Note: t.note}
	payload, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("writing a notice: %w", err)
	}
	for _, channel := range c.Audience() {
		d.action(c, cases.Action{
			Key:  fmt.Sprintf("%s/%d/%s/%s", c.ID, c.Epoch, t.what, channel),
			Kind: cases.Notify, Channel: channel, Planned: d.ev.Now, Payload: payload,
		})
	}
	return nil
}
