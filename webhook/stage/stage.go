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
	"github.com/foreshock/foreshock/webhook/policy"
)

// Stage is one step of the chain. Exec returns the event with its own fields
// filled in. The verdicts, which Normalise makes anew, are changed in place: with
// 20,000 alerts, a copy for each stage costs more than what the stage decides. A
// stage must not change anything else that the given event points to, since a
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
	// Mutes are all mutes there are: of the configuration, by command, and the
	// silences of Alertmanager; read by Mute.
	Mutes policy.Mutes
	// Change is what shall be written, and CaseChanges counts what it does to
	// cases ("opened", "reopened", "resolved", "missed"); made by Plan.
	// Beats are the signs of life in it; made by Watch.
	Beats       []cases.Heartbeat
	Change      cases.Change
	CaseChanges map[string]int
}

// Verdict is what is decided about one alert of the delivery.
type Verdict struct {
	Alert    alert.Alert // normalised
	Identity alert.Identity
	name     string // Identity as text; see who
	Decision Decision
	Reason   Reason
	Note     string // one sentence for people, may be empty
	// Known is the alert's folded state after this verdict; CaseID is filled in
	// by Plan.
	Known  cases.Alert
	CaseID string

	// Noise and Why are what noise reduction made of an accepted alert; empty when
	// it went on as it was.
	Noise Decision
	Why   Reason
	Grade policy.Grade  // of this alert; made by Grade, changed by Regrade
	Due   policy.Reason // the reason of Grade; empty: not graded yet
	// Join is the case that a new alert becomes a part of; nil: one of its own.
	Join *Join
	// Links are how later alerts find the case of this one; Plan adds the case.
	Links []cases.Link
	// Flap is what the alert does; made by Flap.
	Flap FlapState
	// Mute holds back the messages about the alert; made by Mute, nil when
	// nothing does.
	Mute *policy.Mute
}

// Join names a case: by ID, or as the case of another alert, or by its key,
// under which it is made when there is none.
type Join struct {
	CaseID string
	With   *alert.Identity // an alert before it in the delivery
	Key    string
	Title  string       // of a case that is made
	Labels alert.Labels // of a case that is made
	How    Reason
	Why    string // evidence, one sentence
	Origin string // probable origin that follows from it, may be empty
}

// who is the identity of the alert as text.
func (v *Verdict) who() string {
	if v.name == "" {
		v.name = v.Identity.String()
	}
	return v.name
}

// Final is the decision and the reason that are stored and counted.
func (v *Verdict) Final() (Decision, Reason) {
	if v.Noise != "" {
		return v.Noise, v.Why
	}
	return v.Decision, v.Reason
}

// News reports whether the alert began to fire.
func (v *Verdict) News() bool {
	return v.Decision == Accepted && (v.Reason == ReasonFired || v.Reason == ReasonRestarted || v.Reason == ReasonBelieved)
}

// Newcomer reports whether the alert began to fire, or is over and was not seen
// to, and is in no open case.
func (v *Verdict) Newcomer(p cases.Prior) bool {
	c, ok := p.Cases[v.Known.CaseID]
	return (v.News() || (v.Decision == Accepted && v.Reason == ReasonMissed)) && (!ok || !c.Open())
}

// Decision is whether an alert goes on.
type Decision string

// The decisions; also a metric label.
const (
	Accepted Decision = "accepted"
	Dropped  Decision = "dropped"
	Merged   Decision = "merged" // accepted, as a part of a case that there is
	Held     Decision = "held"   // accepted, and not told by itself
	Muted    Decision = "muted"  // accepted, and not told before the mute ends
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
	ReasonHeartbeat   Reason = "heartbeat"    // a sign of life of a watchdog
)

// The reasons of merged alerts.
const (
	ReasonSimilar    Reason = "similar"    // it says what another alert said shortly before or after
	ReasonHost       Reason = "host"       // another alert is about the same host
	ReasonDeploy     Reason = "deploy"     // another alert is about the same rollout
	ReasonDependency Reason = "dependency" // another alert is about a service that this one depends on, or the other way round
	ReasonStorm      Reason = "storm"      // its source sends more new alerts than people can read
)

// ReasonFlapping is the reason of held alerts.
const ReasonFlapping Reason = "flapping" // it changes all the time

// The reasons of muted alerts.
const (
	ReasonWindow  Reason = "window"  // a mute of the configuration
	ReasonCommand Reason = "command" // a mute by command
	ReasonSilence Reason = "silence" // a silence in Alertmanager
)

// Reasons lists every pair of decision and reason, for metrics and docs.
func Reasons() map[Decision][]Reason {
	return map[Decision][]Reason{
		Accepted: {ReasonFired, ReasonRestarted, ReasonBelieved, ReasonResolved, ReasonMissed},
		Dropped:  {ReasonRepeat, ReasonSuperseded, ReasonLate, ReasonStillFiring, ReasonHeartbeat},
		Merged:   {ReasonSimilar, ReasonHost, ReasonDeploy, ReasonDependency, ReasonStorm},
		Held:     {ReasonFlapping},
		Muted:    {ReasonWindow, ReasonCommand, ReasonSilence},
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

// Recall is what the stages read that merge alerts.
type Recall interface {
	// Links reads the links of a kind under some keys, by case and key.
	Links(ctx context.Context, q cases.LinkQuery) ([]cases.Link, error)
	// CasesByID reads cases; unknown ones are left out.
	CasesByID(ctx context.Context, ids []string) (map[string]cases.Case, error)
	// Prior: see Reader.
	Prior(ctx context.Context, ids []alert.Identity, keys []string) (cases.Prior, error)
	// Splits reads what people took apart of some alerts (identities).
	Splits(ctx context.Context, alerts []string) ([]cases.Split, error)
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
