package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// StoryReader reads one case with all that belongs to it; cases.ErrNotFound.
type StoryReader interface {
	Story(ctx context.Context, caseID string) (cases.Story, error)
	// Members reads at most so many alerts of a case.
	Members(ctx context.Context, caseID string, most int) ([]cases.Alert, error)
}

// Later is what the handlers of a case's later steps need: Escalate, ExpireAck
// and CheckSLA. Each reads the case anew when its time has come, decides with the
// rules of that moment, and returns one Change, which is committed with the
// outcome; a case that changed meanwhile makes it decide again.
type Later struct {
	Cases StoryReader
	Rules func() policy.Rules
	// Roster finds a schedule with its overrides and calendars; false when none
	// has that name (any more).
	Roster func(ctx context.Context, schedule string) (policy.Roster, bool, error)
	// Mutes are all mutes there are for alerts of a cluster; nil: none. A person who
	// is muted is passed over.
	Mutes   func(ctx context.Context, cluster string, now time.Time) (policy.Mutes, error)
	Now     func() time.Time // nil: time.Now
	Metrics *Metrics         // nil: nothing is counted
}

// Handlers are the handlers by kind.
func (l Later) Handlers() map[cases.Kind]Handler {
	return map[cases.Kind]Handler{cases.Escalate: escalate{l}, cases.ExpireAck: expireAck{l}, cases.CheckSLA: checkSLA{l}}
}

// read reads the case when the action still concerns it: a nil story means that
// it does not.
func (l Later) read(ctx context.Context, a cases.Action) (*cases.Story, *cases.Follow, error) {
	s, err := l.Cases.Story(ctx, a.CaseID)
	if errors.Is(err, cases.ErrNotFound) || (err == nil && !a.While.Holds(s.Case, a.Epoch)) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	now := time.Now
	if l.Now != nil {
		now = l.Now
	}
	f := &cases.Follow{Rules: l.Rules(), Now: now(), NewID: func() string { return ulid.Make().String() }}
	s.Case.UpdatedAt = s.Case.Next(f.Now)
	return &s, f, nil
}

func obsolete() (Finished, error) { return Finished{Outcome: cases.OutcomeObsolete}, nil }

// done is the change of a case with its events and what follows.
func done(c cases.Case, f *cases.Follow, events ...cases.Event) (Finished, error) {
	for i := range events {
		e := &events[i]
		e.CaseID, e.At, e.Actor = c.ID, f.Now, cases.System
	}
	return Finished{Change: cases.Change{Cases: []cases.Case{c}, Events: events, Actions: f.Actions, Cancel: f.Cancel}}, nil
}

// escalate carries out one step of a ladder.
type escalate struct{ Later }

// Handle tells the targets of the step and plans the next one.
func (h escalate) Handle(ctx context.Context, a cases.Action) (Finished, error) {
	var p cases.RungPayload
	if err := json.Unmarshal(a.Payload, &p); err != nil {
		return Finished{}, cases.Rejected(cases.Receipt{}, "the stored step cannot be read: %w", err)
	}
	s, f, err := h.read(ctx, a)
	if err != nil {
		return Finished{}, err
	}
	if s == nil || s.Case.Ladder.Run != p.Run || s.Case.Ladder.Rung != p.Rung {
		return obsolete()
	}
	c := s.Case
	ladder := f.Rules.Ladder(c.Grade, c.Labels)
	if !ladder.Has(p.Rung) { // the configuration changed
		c.Ladder.Next = time.Time{}
		return done(c, f)
	}
	var mutes policy.Mutes
	if h.Mutes != nil {
		if mutes, err = h.Mutes(ctx, c.Cluster, f.Now); err != nil {
			return Finished{}, fmt.Errorf("reading mutes: %w", err)
		}
	}
	if h.Mutes == nil && c.Silent(f.Now) {
		f.Postpone(&c, c.MutedUntil)
		return done(c, f)
	}
	m, muted, err := h.quiet(ctx, c, mutes, s.Alerts, f.Now)
	if err != nil {
		return Finished{}, err
	}
	if muted { // maybe since people heard of the case
		f.Postpone(&c, m.Until(f.Now))
		return done(c, f)
	}
	if p.Muted {
		f.Resume(&c)
		return done(c, f)
	}
	mutes = slices.DeleteFunc(slices.Clone(mutes), policy.Mute.Whole) // not of all that fires, so of nobody who is told
	who, err := h.targets(ctx, c, ladder.Steps[p.Step], mutes, f)
	if err != nil {
		return Finished{}, err
	}
	note := fmt.Sprintf("nobody has acknowledged it: step %d of ladder %s", p.Step+1, ladder.Name)
	if p.Round > 0 {
		note += fmt.Sprintf(", round %d", p.Round+1)
	}
	if len(who.notes) > 0 {
		note += "; " + strings.Join(who.notes, "; ")
	}
	for _, ch := range who.channels {
		if !slices.Contains(c.Channels, ch) && !slices.Contains(c.Ladder.Told, ch) {
			c.Ladder.Told = append(slices.Clone(c.Ladder.Told), ch)
		}
	}
	f.Climb(&c)
	f.Tell(c, cases.Telling{
		What: cases.WhatEscalated, Key: fmt.Sprintf("%d/%d.%d", p.Run, p.Round, p.Step), Channels: who.channels,
		Members: s.Alerts, Note: note, For: who.people, While: cases.WhileUnacknowledged,
	})
	h.Metrics.escalated(c.Grade)
	return done(c, f, cases.Event{Kind: cases.Escalated, To: strings.Join(who.channels, ", "), Note: note})
}

// found is whom a step tells.
type found struct {
	channels, people, notes []string
}

// quiet finds what holds back every message about the case. A story tells a part
// of a large case's members: where a mute covers those, all are read.
func (l Later) quiet(ctx context.Context, c cases.Case, mutes policy.Mutes, members []cases.Alert, now time.Time) (policy.Mute, bool, error) {
	m, muted := c.Quiet(mutes, members, now)
	if !muted || len(members) >= c.Total {
		return m, muted, nil
	}
	all, err := l.Cases.Members(ctx, c.ID, c.Total+1)
	if err != nil {
		return m, false, fmt.Errorf("reading the alerts of the case: %w", err)
	}
	m, muted = c.Quiet(mutes, all, now)
	return m, muted, nil
}

// targets finds out now whom a step tells. When that is nobody, the channels of
// the case are told, and why: an escalation is never silent.
func (h escalate) targets(ctx context.Context, c cases.Case, step policy.Step, mutes policy.Mutes, f *cases.Follow) (found, error) {
	var out found
	add := func(channels ...string) {
		for _, ch := range channels {
			if !slices.Contains(out.channels, ch) {
				out.channels = append(out.channels, ch)
			}
		}
	}
	person := func(key, why string) {
		if m, held := mutes.Holds(f.Now, c.Grade, c.Labels, policy.Listener{Person: key}); held {
			out.notes = append(out.notes, fmt.Sprintf("%s is muted by %s until %s (%s)", f.Rules.Called(key), m.Owner, m.Until(f.Now).UTC().Format(time.RFC3339), m.Name))
			return
		}
		p, ok := f.Rules.People[key]
		if !ok {
			out.notes = append(out.notes, fmt.Sprintf("%s is not configured any more", key))
			return
		}
		add(p.Channels...)
		if name := f.Rules.Called(key); !slices.Contains(out.people, name) {
			out.people = append(out.people, name)
			out.notes = append(out.notes, "for "+name+why)
		}
	}
	for _, t := range step.Targets {
		switch t.Kind {
		case policy.ToChannel:
			add(t.Name)
		case policy.ToPerson:
			person(t.Name, "")
		case policy.ToSchedule:
			r, ok, err := h.Roster(ctx, t.Name)
			if err != nil {
				return out, fmt.Errorf("reading schedule %s: %w", t.Name, err)
			}
			on := policy.Shift{}
			if ok {
				on = r.At(f.Now)
			}
			if on.Person == "" {
				out.notes = append(out.notes, "nobody is on call in schedule "+t.Name)
				continue
			}
			person(on.Person, ", on call in "+t.Name)
		}
	}
	if len(out.channels) == 0 {
		add(c.Channels...)
		if len(step.Targets) > 0 {
			out.notes = append(out.notes, "so the channels of the case are told")
		}
	}
	return out, nil
}

// expireAck ends an acknowledgement.
type expireAck struct{ Later }

// Handle gives the case back to nobody, tells so, and goes on with the ladder.
func (h expireAck) Handle(ctx context.Context, a cases.Action) (Finished, error) {
	s, f, err := h.read(ctx, a)
	if err != nil {
		return Finished{}, err
	}
	if s == nil || !s.Case.Ends(a) {
		return obsolete()
	}
	c, by, from := s.Case, s.Case.AckedBy, s.Case.State
	to, err := cases.NextState(from, cases.Expire)
	if err != nil {
		return obsolete() // it is new already
	}
	note := fmt.Sprintf("the acknowledgement of %s ran out after %s", by, policy.Duration(c.AckExpiry.Sub(c.AckedAt).Round(time.Second)))
	c.State = to
	f.Unacknowledge(&c)
	f.Tell(c, cases.Telling{
		What: cases.WhatExpired, Key: fmt.Sprint(c.Version), Channels: append(c.Audience(), f.Rules.People[by].Channels...),
		Members: s.Alerts, Note: note, While: cases.WhileUnacknowledged,
	})
	h.Metrics.expired(c.Grade)
	return done(c, f, cases.Event{Kind: cases.StateChanged, From: string(from), To: string(to), Note: note})
}

// checkSLA looks at the deadline of a case.
type checkSLA struct{ Later }

// Handle warns before the deadline, and says when it has passed.
func (h checkSLA) Handle(ctx context.Context, a cases.Action) (Finished, error) {
	s, f, err := h.read(ctx, a)
	if err != nil {
		return Finished{}, err
	}
	if s == nil || s.Case.SLA.Due.IsZero() {
		return obsolete()
	}
	c := s.Case
	warn, due, ok := f.Rules.SLA.Due(c.Grade, c.SLA.Since)
	switch {
	case !ok || !c.SLA.Breached.IsZero():
		return obsolete()
	case !f.Now.Before(c.SLA.Due):
		return h.breached(c, f, s.Alerts)
	case !c.SLA.Warned.IsZero() || !due.Equal(c.SLA.Due) || f.Now.Before(warn) && a.Due.Before(warn):
		f.Overdue(c) // the rules or the clock changed: only the deadline itself counts
		return done(c, f)
	}
	c.SLA.Warned = f.Now
	note := fmt.Sprintf("to be solved by %s, in %s", c.SLA.Due.UTC().Format("2006-01-02 15:04 UTC"), policy.Duration(c.SLA.Due.Sub(f.Now).Round(time.Second)))
	f.Tell(c, h.telling(cases.WhatSLAWarning, c, f, s.Alerts, note))
	f.Overdue(c)
	h.Metrics.sla(c.Grade, "warned")
	return done(c, f, cases.Event{Kind: cases.SLAWarned, Note: note})
}

func (h checkSLA) breached(c cases.Case, f *cases.Follow, members []cases.Alert) (Finished, error) {
	c.SLA.Breached = f.Now
	note := fmt.Sprintf("not solved within %s of its opening", policy.Duration(c.SLA.Due.Sub(c.SLA.Since)))
	f.Tell(c, h.telling(cases.WhatSLABreached, c, f, members, note))
	h.Metrics.sla(c.Grade, "breached")
	return done(c, f, cases.Event{Kind: cases.SLABreached, Note: note})
}

// telling is for the case's channels, and its owner's.
func (h checkSLA) telling(what cases.What, c cases.Case, f *cases.Follow, members []cases.Alert, note string) cases.Telling {
	if c.Silent(f.Now) { // it is shown and counted all the same
		return cases.Telling{What: what}
	}
	t := cases.Telling{What: what, Key: fmt.Sprint(c.SLA.Due.UnixMicro()), Channels: c.Audience(), Members: members, Note: note, While: cases.WhileOpen}
	if p, ok := f.Rules.People[c.Owner]; ok {
		t.Channels = append(t.Channels, p.Channels...)
	}
	return t
}
