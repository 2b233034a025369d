package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// relay gives messages that do not get out to the next channel of their grade: those that waited longer than the grade allows, whatever for, and at once
// those of a channel that is down.
func (x *Executor) relay(ctx context.Context) {
	if x.o.Fallback == nil {
		return
	}
	f, now, down := x.o.Fallback(), x.o.Now(), x.health.down()
	for _, g := range policy.Grades() {
		after := f.After.At(g)
		if after <= 0 {
			continue
		}
		stuck, err := x.o.Queue.Stuck(ctx, g, now.Add(-after), nil)
		if err == nil && len(down) > 0 {
			var more []cases.Action
			more, err = x.o.Queue.Stuck(ctx, g, now, down)
			stuck = append(stuck, more...)
		}
		if err != nil {
			x.trouble(ctx, "looking for messages that wait for too long", err)
			return
		}
		x.relayAll(ctx, f, stuck)
	}
}

func (x *Executor) relayAll(ctx context.Context, f policy.Fallback, stuck []cases.Action) {
	seen, woken := map[string]bool{}, false
	for _, a := range stuck {
		if seen[a.ID] {
			continue
		}
		seen[a.ID] = true
		why := "it waits since " + a.Planned.UTC().Format("15:04:05 UTC")
		if a.LastError != "" {
			why += ": " + a.LastError
		}
		n, to, works := x.other(f, a)
		if to != "" && !works {
			continue // none works now: looked at again, until one does or the message gets out where it is
		}
		ch := cases.Change{Relayed: []string{a.ID}}
		if to != "" {
			x.give(&ch, n, a, to, why)
		}
		if err := x.o.Queue.Commit(ctx, ch); err != nil && !errors.Is(err, cases.ErrConflict) {
			x.trouble(ctx, "giving a message to another channel", err)
			return
		}
		woken = woken || to != ""
	}
	if woken {
		x.Wake()
	}
}

// other is what the message says and the channel that it goes to instead, "" when there is none to go to: the first of the order that works, else the first.
func (x *Executor) other(f policy.Fallback, a cases.Action) (n cases.Notice, to string, works bool) {
	if err := json.Unmarshal(a.Payload, &n); err != nil {
		return n, "", false
	}
	var told []string
	switch n.What {
	case cases.WhatOpened, cases.WhatReopened, cases.WhatResolved:
		told = n.Case.Channels // each has a message of its own
	}
	known := func(c string) bool {
		_, ok := x.o.Senders.Sender(c)
		return ok
	}
	if to = f.Instead(n.Case.Grade, a.Channel, told, func(c string) bool { return known(c) && !x.health.open(c) }); to != "" {
		return n, to, true
	}
	return n, f.Instead(n.Case.Grade, a.Channel, told, known), false
}

// give adds to the change that another channel gets the message. It has the key that the message would have had if that channel had been chosen from the
// start, so that nobody is told twice.
func (x *Executor) give(ch *cases.Change, n cases.Notice, a cases.Action, to, why string) {
	n.Note = joinNotes(n.Note, fmt.Sprintf("sent here since %s did not take it", a.Channel))
	payload, err := json.Marshal(n)
	if err != nil {
		return // it was read from JSON
	}
	now, id, base := x.o.Now(), ulid.Make().String(), strings.TrimSuffix(a.Key, "/"+a.Channel)
	ch.Actions = append(ch.Actions, cases.Action{
		ID: id, Key: base + "/" + to, CaseID: a.CaseID, Kind: cases.Notify, Channel: to, Lane: to + "/" + a.CaseID, Epoch: a.Epoch,
		Urgency: a.Urgency, Payload: payload, While: a.While, State: cases.Due, Planned: now, Due: now, CreatedAt: now, UpdatedAt: now,
	})
	ch.Events = append(ch.Events, cases.Event{
		CaseID: a.CaseID, At: now, Kind: cases.Relayed, Actor: cases.System, Channel: to, ActionID: id, From: a.Channel, To: to, Note: why,
	})
	x.o.Metrics.relayed(a.Channel)
}

// bury adds to the end of a message what follows from it: the next channel, and what tells people that a channel gave up.
func (x *Executor) bury(r *cases.Result) {
	a := r.Action
	if x.o.Fallback != nil {
		// A message that was given up is not looked at again: it waits on the other channel even when that does not work now, and goes on from there.
		if n, to, _ := x.other(x.o.Fallback(), a); to != "" {
			x.give(&r.Change, n, a, to, "it was given up: "+r.Error)
		}
		r.Change.Relayed = append(r.Change.Relayed, a.ID)
	}
	if x.o.Dead != nil {
		r.Change.Actions = append(r.Change.Actions, x.o.Dead(a, r.Error)...)
	}
}

func joinNotes(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
