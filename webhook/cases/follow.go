package cases

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Follow collects what follows from a change of a case: steps of the ladder,
// the end of an acknowledgement, deadlines, messages, lines of the timeline. All
// of it belongs into the Change that writes the case.
//
//	f := cases.Follow{Rules: rules, Now: now, NewID: newID}
//	f.Begin(&c)                                  // after opening or reopening
//	change.Actions = append(change.Actions, f.Actions...)
//	change.Cancel = append(change.Cancel, f.Cancel...)
//
// The case given to its methods has the state that it will have, and the
// Version on which the decision was based.
type Follow struct {
	Rules policy.Rules
	Now   time.Time
	NewID func() string // unique and sorting by time

	Actions []Action
	Cancel  []CancelActions
	Events  []Event // of Regraded alone; CaseID, Kind and what it says are set
}

// Add completes an action of the case and collects it: what is not set is
// derived from the case. Planned is when it is due.
func (f *Follow) Add(c Case, a Action) {
	a.ID, a.CaseID, a.Epoch = f.NewID(), c.ID, c.Epoch
	if a.Lane == "" {
		a.Lane = a.Channel + "/" + c.ID
	}
	a.State, a.Due, a.CreatedAt, a.UpdatedAt = Due, a.Planned, f.Now, f.Now
	if a.Planned.Before(c.UpdatedAt) {
		a.Planned = c.UpdatedAt // the order within the lane; when it is due stays
	}
	f.Actions = append(f.Actions, a)
}

// later collects a step of the service itself.
func (f *Follow) later(c Case, kind Kind, key string, due time.Time, while Condition, payload any) {
	a := Action{
		Key: fmt.Sprintf("%s/%d/%s/%s", c.ID, c.Epoch, kind, key), Kind: kind, Channel: InternalChannel,
		Lane: string(kind) + "/" + c.ID, Planned: due, While: while,
	}
	if payload != nil {
		raw, err := json.Marshal(payload)
		if err != nil {
			panic(fmt.Sprintf("cases: a payload has no JSON form: %v", err)) // it is made of texts, numbers and times
		}
		a.Payload = raw
	}
	f.Add(c, a)
}

// Begin starts the ladder and the deadline of a new epoch.
func (f *Follow) Begin(c *Case) {
	c.Ladder = Ladder{}
	f.walk(c, policy.Rung{})
	f.deadline(c, f.Now)
}

// End calls off everything that only matters while the case is open.
func (f *Follow) End(c *Case, reason string) {
	none := c.Ladder.Run == 0 && c.SLA.Due.IsZero() && c.AckExpiry.IsZero()
	c.Ladder.Next, c.AckExpiry = time.Time{}, time.Time{}
	if none {
		return // nothing was planned
	}
	f.Cancel = append(f.Cancel, CancelActions{CaseID: c.ID, While: []Condition{WhileUnacknowledged, WhileOpen}, At: f.Now, Reason: reason})
}

// Acknowledge stops the ladder, and plans the end of the acknowledgement: after
// age, or when that is 0 after what the rules say; never when that is 0, too.
func (f *Follow) Acknowledge(c *Case, by string, age time.Duration) {
	c.Ladder.Next = time.Time{}
	c.AckedBy, c.AckedAt, c.AckExpiry = by, f.Now, time.Time{}
	f.Cancel = append(f.Cancel,
		CancelActions{CaseID: c.ID, While: []Condition{WhileUnacknowledged}, At: f.Now, Reason: "acknowledged by " + by},
		CancelActions{CaseID: c.ID, Kinds: []Kind{ExpireAck}, At: f.Now, Reason: "acknowledged again"})
	if age == 0 {
		age = f.Rules.Escalation.Acknowledge.At(c.Grade)
	}
	if age > 0 {
		c.AckExpiry = f.Now.Add(age)
		f.later(*c, ExpireAck, fmt.Sprint(c.AckedAt.UnixMicro()), c.AckExpiry, WhileOpen, nil)
	}
}

// Ends reports whether an action is to end the acknowledgement in force.
func (c Case) Ends(a Action) bool {
	key := fmt.Sprintf("%s/%d/%s/%d", c.ID, c.Epoch, ExpireAck, c.AckedAt.UnixMicro())
	return !c.AckExpiry.IsZero() && (a.Key == key || strings.HasPrefix(a.Key, key+"/"))
}

// Unacknowledge takes the acknowledgement away and goes on with the ladder where
// it was left; from its foot when it had been walked to the end.
func (f *Follow) Unacknowledge(c *Case) {
	c.AckedBy, c.AckedAt, c.AckExpiry = "", time.Time{}, time.Time{}
	f.Cancel = append(f.Cancel, CancelActions{CaseID: c.ID, Kinds: []Kind{ExpireAck}, At: f.Now, Reason: "no longer acknowledged"})
	at := c.Ladder.Rung
	if !f.Rules.Ladder(c.Grade, c.Labels).Has(at) {
		at = policy.Rung{}
	}
	f.walk(c, at)
}

// Regraded starts the ladder of a more urgent grade from its foot, and moves the
// deadline. was is the grade before. Who acknowledged the case did not know of
// that grade: the acknowledgement holds no longer than one of it, and not at all
// when it is P0.
func (f *Follow) Regraded(c *Case, was policy.Grade) {
	if c.Grade == was || !c.Open() {
		return
	}
	if c.Grade < was {
		f.raised(c)
	}
	f.Cancel = append(f.Cancel, CancelActions{CaseID: c.ID, Kinds: []Kind{CheckSLA}, At: f.Now, Reason: fmt.Sprintf("graded %s", c.Grade)})
	since := c.SLA.Since
	if since.IsZero() { // opened by a version that kept no deadlines
		since = c.OpenedAt
	}
	f.deadline(c, since)
}

// raised is the part of Regraded for a more urgent grade.
func (f *Follow) raised(c *Case) {
	switch {
	case c.State == New:
		f.Cancel = append(f.Cancel, CancelActions{CaseID: c.ID, Kinds: []Kind{Escalate}, At: f.Now, Reason: fmt.Sprintf("raised to %s", c.Grade)})
		f.walk(c, policy.Rung{})
	case c.Grade == policy.P0:
		f.revoke(c)
	default:
		f.shorten(c)
	}
}

// revoke ends an acknowledgement that was given for something less urgent, and
// begins the ladder at its foot. The channels of the case hear of the grade;
// whoever had acknowledged it is told that this no longer counts.
func (f *Follow) revoke(c *Case) {
	by, from := c.AckedBy, c.State
	to, err := NextState(from, Expire)
	if err != nil {
		return // it is new already
	}
	note := fmt.Sprintf("the acknowledgement of %s ended: raised to %s", by, c.Grade)
	c.State, c.Ladder.Rung = to, policy.Rung{}
	f.Unacknowledge(c)
	f.Events = append(f.Events, Event{CaseID: c.ID, Kind: StateChanged, From: string(from), To: string(to), Note: note})
	if c.Silent(f.Now) {
		return
	}
	heard := c.Audience()
	own := slices.DeleteFunc(slices.Clone(f.Rules.People[by].Channels), func(ch string) bool { return slices.Contains(heard, ch) })
	f.Tell(*c, Telling{What: WhatExpired, Key: fmt.Sprint(c.Version), Channels: own, Note: note, While: WhileUnacknowledged})
}

// shorten ends an acknowledgement when one that is given now would end.
func (f *Follow) shorten(c *Case) {
	age := f.Rules.Escalation.Acknowledge.At(c.Grade)
	end := f.Now.Add(age)
	if age <= 0 || (!c.AckExpiry.IsZero() && !end.Before(c.AckExpiry)) {
		return
	}
	c.AckExpiry = end
	f.Cancel = append(f.Cancel, CancelActions{CaseID: c.ID, Kinds: []Kind{ExpireAck}, At: f.Now, Reason: fmt.Sprintf("raised to %s", c.Grade)})
	f.later(*c, ExpireAck, fmt.Sprintf("%d/%d", c.AckedAt.UnixMicro(), end.UnixMicro()), end, WhileOpen, nil)
}

// Climb plans the rung after the one that was just carried out.
func (f *Follow) Climb(c *Case) {
	next, ok := f.Rules.Ladder(c.Grade, c.Labels).Next(c.Ladder.Rung)
	if !ok {
		c.Ladder.Step++ // beyond the last one: walked to the end
		c.Ladder.Next = time.Time{}
		return
	}
	c.Ladder.Rung = next
	f.rung(c)
}

// walk begins a run of the ladder at a rung.
func (f *Follow) walk(c *Case, at policy.Rung) {
	c.Ladder.Rung, c.Ladder.Next = at, time.Time{}
	if f.Rules.Ladder(c.Grade, c.Labels).Has(at) {
		c.Ladder.Run = c.Version + 1
		f.rung(c)
	}
}

// rung plans the rung that is next.
func (f *Follow) rung(c *Case) {
	l := &c.Ladder
	l.Next = f.Now.Add(f.wait(*c))
	f.later(*c, Escalate, fmt.Sprintf("%d/%d.%d", l.Run, l.Round, l.Step), l.Next, WhileUnacknowledged, RungPayload{Run: l.Run, Rung: l.Rung})
}

func (f *Follow) wait(c Case) time.Duration {
	return time.Duration(f.Rules.Ladder(c.Grade, c.Labels).Steps[c.Ladder.Step].Wait)
}

// Postpone puts off the rung whose time has come until a mute ends, plus its
// wait. The mute may be ended before its time: a look at it is planned before.
func (f *Follow) Postpone(c *Case, until time.Time) {
	l, look := &c.Ladder, until
	if every := time.Duration(f.Rules.Noise.Review); every > 0 && f.Now.Add(every).Before(look) {
		look = f.Now.Add(every)
	}
	l.Next = until.Add(f.wait(*c))
	key := fmt.Sprintf("%d/%d.%d/muted/%d", l.Run, l.Round, l.Step, look.UnixMicro())
	f.later(*c, Escalate, key, look, WhileUnacknowledged, RungPayload{Run: l.Run, Rung: l.Rung, Muted: true})
}

// Resume plans the rung that was put off, now that nothing is muted any more.
func (f *Follow) Resume(c *Case) {
	l := &c.Ladder
	l.Next = f.Now.Add(f.wait(*c))
	key := fmt.Sprintf("%d/%d.%d/%d", l.Run, l.Round, l.Step, l.Next.UnixMicro())
	f.later(*c, Escalate, key, l.Next, WhileUnacknowledged, RungPayload{Run: l.Run, Rung: l.Rung})
}

// deadline sets the target and plans what comes next of warning and breach.
func (f *Follow) deadline(c *Case, since time.Time) {
	warn, due, ok := f.Rules.SLA.Due(c.Grade, since)
	if !ok {
		c.SLA = Deadline{Since: since} // another grade may have a target
		return
	}
	if !due.Equal(c.SLA.Due) {
		c.SLA = Deadline{Since: since, Due: due}
	}
	f.sla(*c, warn)
}

// Overdue plans the look at the deadline itself, after the warning.
func (f *Follow) Overdue(c Case) { f.sla(c, c.SLA.Due) }

func (f *Follow) sla(c Case, at time.Time) {
	if at.Before(f.Now) {
		at = f.Now
	}
	f.later(c, CheckSLA, fmt.Sprintf("%d/%d", c.SLA.Due.UnixMicro(), at.UnixMicro()), at, WhileOpen, nil)
}

// Telling is one message about a case to several channels.
type Telling struct {
	What     What
	Key      string // tells it from others of the same What in the epoch; may be empty
	Channels []string
	Members  []Alert
	Note     string
	For      []string // whom it is meant for, for people to read
	While    Condition
}

// Tell plans the messages.
func (f *Follow) Tell(c Case, t Telling) {
	n := Notice{What: t.What, At: f.Now, Case: c, Note: t.Note, For: t.For}
	n.Alerts, n.More = Notable(t.Members)
	payload, err := json.Marshal(n)
	if err != nil {
		panic(fmt.Sprintf("cases: a notice has no JSON form: %v", err)) // it is made of texts, numbers and times
	}
	for i, channel := range t.Channels {
		if slices.Contains(t.Channels[:i], channel) {
			continue
		}
		key := []string{c.ID, fmt.Sprint(c.Epoch), string(t.What), t.Key, channel}
		if t.Key == "" {
			key = slices.Delete(key, 3, 4)
		}
		f.Add(c, Action{Key: strings.Join(key, "/"), Kind: Notify, Channel: channel, Urgency: n.Urgency(), Planned: f.Now, Payload: payload, While: t.While})
	}
}

// Notable are the alerts of a case that a notice shows, at most MaxNoticeAlerts,
// and how many it leaves off.
func Notable(members []Alert) (shown []alert.Alert, more int) {
	for _, m := range members {
		if len(shown) == MaxNoticeAlerts {
			more++
			continue
		}
		shown = append(shown, m.Last)
	}
	return shown, more
}
