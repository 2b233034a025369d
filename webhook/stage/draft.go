package stage

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	latest map[alert.Identity]int // position of the newest verdict taken in about each alert, whose Known is the alert as changed so far
	cases  map[string]cases.Case  // prior, overlaid with what changed
	byKey  map[string]string
	fresh  map[string]bool // IDs of changed cases
	links  []cases.Link
	linked map[linkName]int // positions in links
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
	// channels hear it; nil: all of the case.
	channels []string
	// whole: it tells of the whole case, not only of these alerts.
	whole bool
}

func newDraft(ev Event, rules policy.Rules, newID func() string) *draft {
	d := &draft{
		ev: ev, rules: rules, newID: newID, latest: make(map[alert.Identity]int, len(ev.Verdicts)),
		cases: maps.Clone(ev.Prior.Cases), byKey: maps.Clone(ev.Prior.ByKey), fresh: map[string]bool{},
	}
	if d.cases == nil {
		d.cases = map[string]cases.Case{}
	}
	if d.byKey == nil {
		d.byKey = map[string]string{}
	}
	d.ev.Change = cases.Change{Beats: ev.Beats}
	if ev.Delivery.ID != "" {
		d.ev.Change.Delivery = &d.ev.Delivery
	}
	d.ev.CaseChanges = map[string]int{}
	d.linked = map[linkName]int{}
	accepted := 0
	for i := range ev.Verdicts {
		accepted += b2i(ev.Verdicts[i].accepted())
	}
	d.ev.Change.Events = make([]cases.Event, 0, 2*accepted) // most fire, and join a case
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
	e.Actor = string(d.ev.Delivery.Message.Source)
	if v != nil {
		e.Alert = v.who()
	}
	switch e.Kind {
	case cases.Fired, cases.AlertEnded, cases.Believed:
	default:
		e.Actor = cases.System
	}
	d.ev.Change.Events = append(d.ev.Change.Events, e)
}

func (d *draft) cancel(caseID, reason string, kinds ...cases.Kind) {
	d.ev.Change.Cancel = append(d.ev.Change.Cancel, cases.CancelActions{CaseID: caseID, Kinds: kinds, At: d.ev.Now, Reason: reason})
}

// tell plans a message about the case as it is now.
func (d *draft) tell(c cases.Case, t telling) {
	c.UpdatedAt = d.at(c)
	c.ToldAt, c.Heard, c.Untold, c.HeldUntil = d.ev.Now, t.what, "", time.Time{}
	if t.whole || t.what == cases.WhatOpened || t.what == cases.WhatReopened {
		c.CountedAt, c.CaseNoise.Told, c.Fresh = d.ev.Now, c.Total, 0
	}
	if t.what == cases.WhatOpened || t.what == cases.WhatReopened {
		c.Digests = 0
	}
	d.put(c)
	t.of = d.cases[c.ID]
	d.told = append(d.told, t)
}

// telling about one alert.
func about(what cases.What, v *Verdict, channels []string) telling {
	return telling{what: what, alerts: []alert.Alert{v.Alert}, note: v.Note, channels: channels}
}

// join adds an alert to the message about its case that this delivery causes
// anyway; false when there is none, or one to others.
func (d *draft) join(c cases.Case, what cases.What, v *Verdict) bool {
	for i := len(d.told) - 1; i >= 0; i-- {
		t := &d.told[i]
		if t.of.ID != c.ID {
			continue
		}
		if t.what == cases.WhatResolved || t.channels != nil || (what != "" && what != cases.WhatGrew && what != t.what) {
			return false
		}
		if c.UpdatedAt = d.at(c); c.CountedAt.Equal(d.ev.Now) {
			c.CaseNoise.Told, c.Fresh = c.Total, 0
		}
		d.put(c)
		if t.of = d.cases[c.ID]; len(t.alerts) < cases.MaxNoticeAlerts {
			t.alerts = append(t.alerts, v.Alert)
		} else {
			t.more++
		}
		return true
	}
	return false
}

func (d *draft) closeLater(c cases.Case) {
	d.action(c, cases.Action{
		Key: fmt.Sprintf("%s/%d/close/%d", c.ID, c.Epoch, c.Version), Kind: cases.AutoClose, Channel: cases.InternalChannel,
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
	for _, c := range f.Cancel {
		// What this change planned itself is not in the store yet.
		d.ev.Change.Actions = slices.DeleteFunc(d.ev.Change.Actions, func(a cases.Action) bool { return a.CaseID == c.CaseID && slices.Contains(c.Kinds, a.Kind) })
	}
	for _, e := range f.Events {
		d.event(cases.Case{ID: e.CaseID}, e, nil)
	}
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
	ids := identities(d.ev.Verdicts)
	ch.Alerts = slices.Grow(ch.Alerts, len(ids)) // a split has put some there
	for _, id := range ids {
		ch.Alerts = append(ch.Alerts, d.ev.Verdicts[d.latest[id]].Known)
	}
	ch.Links = append(ch.Links, d.links...)
	for _, id := range slices.Sorted(maps.Keys(d.fresh)) {
		ch.Cases = append(ch.Cases, d.cases[id])
	}
	ch.Observations = slices.Grow(ch.Observations, len(d.ev.Verdicts))
	for i := range d.ev.Verdicts {
		v := &d.ev.Verdicts[i]
		decision, reason := v.Final()
		ch.Observations = append(ch.Observations, cases.Observation{
			DeliveryID: d.ev.Delivery.ID, N: i, Identity: v.Identity, Status: v.Alert.Status,
			StartsAt: v.Alert.StartsAt, EndsAt: v.Alert.EndsAt, At: d.ev.Now,
			Decision: string(decision), Reason: string(reason), Note: v.story(), CaseID: v.CaseID,
		})
	}
	return nil
}

// story is the note of a verdict with what noise reduction made of it.
func (v *Verdict) story() string {
	if v.Noise == "" || v.Noise == Held {
		return v.Note
	}
	parts := []string{string(v.Reason)}
	if v.Noise == Merged && v.Join != nil {
		parts = append(parts, v.Join.Why)
	}
	if v.Mute != nil {
		parts = append(parts, fmt.Sprintf("muted by %s until %s: %s", v.Mute.Owner, v.Mute.Ends.UTC().Format(time.RFC3339), v.Mute.Name))
	}
	if v.Note != "" {
		parts = append(parts, v.Note)
	}
	return strings.Join(parts, "; ")
}

// once are the occasions that come at most once per epoch. Others may come again.
func once(what cases.What) bool {
	return what == cases.WhatOpened || what == cases.WhatReopened || what == cases.WhatResolved
}

func (d *draft) notify(t telling) error {
	c := t.of
	n := cases.Notice{What: t.what, At: d.ev.Now, Case: c, Alerts: t.alerts, More: t.more, Note: t.note}
	payload, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("writing a notice: %w", err)
	}
	channels := t.channels
	if channels == nil {
		channels = c.Audience()
	}
	for _, channel := range d.audible(t, channels) {
		key := fmt.Sprintf("%s/%d/%s/%s", c.ID, c.Epoch, t.what, channel)
		if !once(t.what) {
			key = fmt.Sprintf("%s/%d/%s/%d/%s", c.ID, c.Epoch, t.what, c.Version, channel)
		}
		d.action(c, cases.Action{Key: key, Kind: cases.Notify, Channel: channel, Urgency: n.Urgency(), Planned: d.ev.Now, Payload: payload})
	}
	return nil
}

// audible leaves out the channels that a mute of them alone holds back; they hear
// of the case when it ends. So does one of everything about all alerts that the
// message is about. The last message of a case is never held back: what it began
// elsewhere, such as an incident, must end.
func (d *draft) audible(t telling, channels []string) []string {
	if len(d.ev.Mutes) == 0 || t.what == cases.WhatResolved || t.what == cases.WhatMerged {
		return channels
	}
	c, mutes := t.of, d.ev.Mutes
	if t.whole || slices.ContainsFunc(t.alerts, func(a alert.Alert) bool { _, muted := mutes.Whole(d.ev.Now, c.Grade, a.Labels); return !muted }) {
		mutes = slices.DeleteFunc(slices.Clone(mutes), policy.Mute.Whole)
	}
	var out, left []string
	until := time.Time{}
	for _, name := range channels {
		m, held := mutes.Holds(d.ev.Now, c.Grade, c.Labels, policy.Listener{Routes: d.routesTo(c, name), Channel: name})
		if !held {
			out = append(out, name)
			continue
		}
		left = append(left, name)
		if end := m.Until(d.ev.Now); end.After(until) {
			until = end
		}
		d.event(c, cases.Event{Kind: cases.Muted, Channel: name, Note: mutedNote(m, d.ev.Now)}, nil)
	}
	if len(left) > 0 {
		now := d.cases[c.ID]
		now.MutedChannels = union(now.MutedChannels, left)
		d.reviewAt(&now, until)
		d.put(now)
	}
	return out
}

// routesTo lists those routes of a case that chose a channel.
func (d *draft) routesTo(c cases.Case, channel string) []string {
	var out []string
	for _, r := range d.rules.Routes {
		if slices.Contains(c.Routes, r.Name) && slices.Contains(r.Channels, channel) {
			out = append(out, r.Name)
		}
	}
	return out
}

func mutedNote(m policy.Mute, now time.Time) string {
	return fmt.Sprintf("%s, by %s, until %s", m.Name, m.Owner, m.Until(now).UTC().Format(time.RFC3339))
}
