// Package replay runs the alert flow on virtual time: the same stages, reviews
// and later steps as the service, over deliveries that are given, on a store that
// is thrown away, with messages that are written down instead of sent.
//
// The idea: what would have been sent is what the real code decides when the
// clock is a number. A World takes deliveries in order of time; between two of
// them it carries out every action that falls due, at its due time.
//
//	w, err := replay.New(ctx, replay.Options{Rules: rules, Dir: dir})
//	err = w.Deliver(ctx, delivery) // in order of Received
//	err = w.Until(ctx, end)
//	for _, m := range w.Messages { … }
//
// Simulate makes deliveries of invented incidents whose truth is known, and
// compares with what Alertmanager alone would have sent.
//
// It sends nothing, and reads no clock but the deliveries'.
package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/foreshock/foreshock/webhook/action"
	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/stage"
	"github.com/foreshock/foreshock/webhook/store"
)

// Options make a World.
type Options struct {
	Rules policy.Rules
	Graph stage.Graph // nil: no service graph
	Dir   string      // for the store; thrown away by the caller
	// Escalate carries out ladders, deadlines and the end of acknowledgements, as
	// if nobody ever acknowledged. Without it only the alerts themselves speak.
	Escalate bool
	Ask      stage.Ask // nil: queries are unknown
}

// Sent is one message that would have been sent.
type Sent struct {
	At      time.Time    `json:"at"`
	Channel string       `json:"channel"`
	Notice  cases.Notice `json:"notice"`
}

// World is a service on virtual time. It is not for concurrent use.
type World struct {
	Messages  []Sent                                  // in order of time
	Decisions map[stage.Decision]map[stage.Reason]int // of all deliveries
	o         Options
	db        *store.DB
	intake    *stage.Intake
	handlers  map[cases.Kind]action.Handler
	now       time.Time
}

// New makes a World; Close ends it.
func New(ctx context.Context, o Options) (*World, error) {
	db, err := store.Open(ctx, store.Options{URL: "sqlite://" + filepath.Join(o.Dir, "replay.db"), Scratch: true})
	if err != nil {
		return nil, err
	}
	w := &World{o: o, db: db, Decisions: map[stage.Decision]map[stage.Reason]int{}}
	rules := func() policy.Rules { return w.o.Rules }
	clock := func() time.Time { return w.now }
	parts := stage.Parts{Store: db, Rules: rules, Ask: o.Ask, Now: clock}
	if o.Graph != nil {
		parts.Graph = func() stage.Graph { return o.Graph }
	}
	w.intake = stage.NewIntake(stage.IntakeOptions{Chain: parts.Chain(), Store: db})
	w.handlers = map[cases.Kind]action.Handler{}
	if o.Escalate {
		later := action.Later{Cases: db, Rules: rules, Now: clock, Roster: func(context.Context, string) (policy.Roster, bool, error) {
			return policy.Roster{}, false, nil
		}}
		w.handlers = later.Handlers()
	}
	w.handlers[cases.AutoClose] = action.Close{Cases: db, Now: clock}
	w.handlers[cases.Review] = action.Reviews{Review: parts.Reviewer().Review}
	return w, nil
}

// Close throws the store away.
func (w *World) Close() error { return w.db.Close() }

// Store is what is known, for questions.
func (w *World) Store() *store.DB { return w.db }

// Deliver takes a delivery at its time of arrival, after what fell due before.
func (w *World) Deliver(ctx context.Context, d alert.Delivery) error {
	if err := w.Until(ctx, d.Received); err != nil {
		return err
	}
	if d.ID == "" {
		d.ID = ulid.Make().String()
	}
	r, err := w.intake.Deliver(ctx, d)
	if err != nil {
		return err
	}
	for decision, reasons := range r.Decisions {
		if w.Decisions[decision] == nil {
			w.Decisions[decision] = map[stage.Reason]int{}
		}
		for reason, n := range reasons {
			w.Decisions[decision][reason] += n
		}
	}
	return w.due(ctx)
}

// Until carries out everything that falls due before a time, and makes it now.
func (w *World) Until(ctx context.Context, t time.Time) error {
	for {
		next, err := w.db.NextDue(ctx, w.now)
		if err != nil {
			return err
		}
		if next.IsZero() || next.After(t) {
			break
		}
		w.now = next
		if err := w.due(ctx); err != nil {
			return err
		}
	}
	if t.After(w.now) {
		w.now = t
	}
	return nil
}

// due carries out what is due now, and what follows from it now.
func (w *World) due(ctx context.Context) error {
	for {
		channels, err := w.db.DueChannels(ctx, w.now)
		if err != nil {
			return err
		}
		ran := false
		for _, channel := range channels {
			claimed, err := w.db.Claim(ctx, cases.ClaimRequest{Holder: "replay", Channel: channel, Now: w.now, Lease: time.Hour, Limit: 64})
			if err != nil {
				return err
			}
			for _, a := range claimed {
				ran = true
				if err := w.run(ctx, a); err != nil {
					return fmt.Errorf("%s of case %s: %w", a.Kind, a.CaseID, err)
				}
			}
		}
		if !ran {
			return nil
		}
	}
}

func (w *World) run(ctx context.Context, a cases.Action) error {
	r := cases.Result{Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: w.now}
	switch h := w.handlers[a.Kind]; {
	case a.Kind == cases.Notify:
		s := Sent{At: w.now, Channel: a.Channel}
		if err := json.Unmarshal(a.Payload, &s.Notice); err != nil {
			return err
		}
		w.Messages = append(w.Messages, s)
	case h == nil:
		r.Outcome = cases.OutcomeObsolete
	default:
		done, err := h.Handle(ctx, a)
		if err != nil {
			return err
		}
		r.Change = done.Change
		if done.Outcome != "" {
			r.Outcome = done.Outcome
		}
	}
	return w.db.Finish(ctx, r)
}
