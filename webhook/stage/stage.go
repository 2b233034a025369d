// Package stage turns a delivery into decisions: which alerts are news, which
// cases they open or close, and which actions follow.
//
// The idea: stages decide and write nothing. A Chain runs them in order over an
// Event, a value that grows from stage to stage; the last one has filled in a
// cases.Change, which Intake commits in one step. An alert that goes no further
// is not lost: it keeps a Verdict with an enumerated reason, which is stored,
// shown and counted.
//
//	chain := stage.Chain{stage.Normalise{}, stage.Dedup{Store: st, …}, stage.Plan{Rules: rules, …}}
//	in := stage.NewIntake(stage.IntakeOptions{Chain: chain, Store: st, …})
//	receipt, err := in.Deliver(ctx, delivery) // durable when err is nil
//
// It neither sends nor schedules: what shall happen is an action in the change.
package stage

import (
	"context"
	"fmt"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// Stage is one step of the chain. Exec returns the event with its own fields
// filled in; it must not change what the given event points to, since a
// conflict at the commit runs the chain again. An error means infrastructure
// (the delivery is answered 503 and comes again), never a judgement.
type Stage interface {
	Name() string
	Exec(ctx context.Context, ev Event) (Event, error)
}

// Event is a delivery on its way through the chain.
type Event struct {
	Delivery alert.Delivery
	Now      time.Time // when it was received; the only clock of the chain
	// Verdicts has one entry per alert of the message, in its order; made by
	// Normalise.
	Verdicts []Verdict
	// Prior is what was stored before about these alerts; read by Dedup.
	Prior cases.Prior
	// Change is what shall be written, and CaseChanges counts what it does to
	// cases ("opened", "reopened", "resolved", "missed"); made by Plan.
	Change      cases.Change
	CaseChanges map[string]int
}

// Verdict is what is decided about one alert of the delivery.
type Verdict struct {
	Alert    alert.Alert // normalised
	Identity alert.Identity
	Decision Decision
	Reason   Reason
	Note     string // one sentence for people, may be empty
	// Known is the alert's folded state after this verdict; CaseID is filled in
	// by Plan.
	Known  cases.Alert
	CaseID string
}

// Decision is whether an alert goes on.
type Decision string

// The decisions; also a metric label.
const (
	Accepted Decision = "accepted"
	Dropped  Decision = "dropped"
)

// Reason is why; also a metric label, so the set is closed.
type Reason string

// The reasons of accepted alerts.
const (
	ReasonFired     Reason = "fired"     // it began to fire
	ReasonRestarted Reason = "restarted" // it fires with a newer start than the one known to fire
	ReasonBelieved  Reason = "believed"  // it fires although the same start was resolved before: Alertmanager says so, or could not be asked
	ReasonResolved  Reason = "resolved"  // it is over
	ReasonMissed    Reason = "missed"    // it is over and its firing was never seen
)

// The reasons of dropped alerts.
const (
	ReasonRepeat      Reason = "repeat"       // the same was known already
	ReasonSuperseded  Reason = "superseded"   // a newer start or end is known
	ReasonLate        Reason = "late"         // it says firing, but Alertmanager says that it is over
	ReasonStillFiring Reason = "still_firing" // a resolution that was disbelieved before, repeated
)

// Reasons lists every pair of decision and reason, for metrics and docs.
func Reasons() map[Decision][]Reason {
	return map[Decision][]Reason{
		Accepted: {ReasonFired, ReasonRestarted, ReasonBelieved, ReasonResolved, ReasonMissed},
		Dropped:  {ReasonRepeat, ReasonSuperseded, ReasonLate, ReasonStillFiring},
	}
}

// Chain runs its stages in order. Order is a decision: it is written down where
// the chain is made.
type Chain []Stage

// Exec runs the whole chain; the error names the stage.
func (c Chain) Exec(ctx context.Context, ev Event) (Event, error) {
	for _, s := range c {
		var err error
		if ev, err = s.Exec(ctx, ev); err != nil {
			return ev, fmt.Errorf("stage %s: %w", s.Name(), err)
		}
	}
	return ev, nil
}

// Reader is what stages read from the store.
type Reader interface {
	// Prior reads what is known of these alerts, and of the cases that are open
	// under these keys.
	Prior(ctx context.Context, ids []alert.Identity, keys []string) (cases.Prior, error)
}

// Committer makes a change durable.
type Committer interface {
	// Commit returns when the change is durable, cases.ErrConflict when it was
	// based on something stale, any other error when the store is in trouble.
	Commit(ctx context.Context, ch cases.Change) error
}

// Authority is asked when deliveries contradict each other: does Alertmanager
// itself say that these alerts fire? The answer has one entry per alert, in
// order. With an error, true holds and false means that nobody knows.
type Authority interface {
	Firing(ctx context.Context, cluster string, alerts []alert.Alert) ([]bool, error)
}
