// Package cases holds what a person works on: the case, its timeline and the
// actions that it causes, with the two state machines written as tables.
//
// The idea: a case is a value. A transition is looked up in a table (CaseTable,
// ActionTable); what is to be stored is collected in a Change, which a store
// commits whole or not at all. Everything that leaves the process is an Action
// with a due time and an idempotency key.
//
//	next, err := cases.NextState(c.State, cases.Resolve)
//	c.State = next
//	ch := cases.Change{Cases: []cases.Case{c}, Events: []cases.Event{ev}}
//	err = store.Commit(ctx, ch) // cases.ErrConflict: somebody else was first; decide again
//
// It reads no clock, talks to no store and sends nothing. docs/cases.md shows
// the tables.
package cases

import (
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Case is one problem: one or more alerts that belong together, from the first
// one that fires until somebody or something closes it.
type Case struct {
	ID string `json:"id"` // unique, sorts by time of opening (ULID)
	// Key groups alerts into cases: of all cases of one key at most one is not
	// closed. The identity of the alert that opened it, or "storm/…" for the case
	// that a storm of one source goes to.
	Key     string       `json:"key"`
	Cluster string       `json:"cluster"`
	Title   string       `json:"title"` // one line of plain text, from the alert; not escaped
	Labels  alert.Labels `json:"labels"`
	State   State        `json:"state"`

	Grade       policy.Grade  `json:"grade"`
	GradeReason policy.Reason `json:"gradeReason"`
	Channels    []string      `json:"channels"` // who is told, by the routes at opening
	Routes      []string      `json:"routes"`

	// Epoch counts openings: 1, then one more with every reopening. Messages of
	// one epoch belong to one incident on the other side.
	Epoch  int `json:"epoch"`
	Firing int `json:"firing"` // member alerts that fire now
	Total  int `json:"total"`  // member alerts in all

	StartedAt  time.Time `json:"startedAt"`           // earliest startsAt of the members in this epoch
	OpenedAt   time.Time `json:"openedAt"`            // when this case was first made
	UpdatedAt  time.Time `json:"updatedAt"`           // last change of anything here; grows with every change, see Next
	ResolvedAt time.Time `json:"resolvedAt,omitzero"` // zero unless resolved or closed
	ClosedAt   time.Time `json:"closedAt,omitzero"`

	// Useful and Useless count what people thought of being told, one vote a person and opening.
	Useful  int `json:"useful,omitempty"`
	Useless int `json:"useless,omitempty"`

	Owner     string    `json:"owner,omitempty"`
	AckedBy   string    `json:"ackedBy,omitempty"`
	AckedAt   time.Time `json:"ackedAt,omitzero"`
	AckExpiry time.Time `json:"ackExpiry,omitzero"` // zero: the acknowledgement does not expire

	Ladder Ladder   `json:"ladder,omitzero"` // how far the escalation has come
	SLA    Deadline `json:"sla,omitzero"`    // in which time it is to be solved
	CaseNoise

	// Version counts stored changes. In a Change it is the version that the
	// decision was based on, 0 for a new case; a store adds one.
	Version int64 `json:"version"`
}

// Open reports whether the case still wants attention: not resolved, not closed.
func (c Case) Open() bool { return c.State != Resolved && c.State != Closed }

// Next is when the next change of the case happens: now, but always after the
// last one. Several receivers may change it whose clocks disagree, or whose clock
// steps back; versions put their changes in order, and times follow that.
func (c Case) Next(now time.Time) time.Time {
	if next := c.UpdatedAt.Add(time.Microsecond); now.Before(next) {
		return next
	}
	return now
}

// Alert is what is known of one alert identity, folded from all deliveries in
// any order. LastFired and LastEnded only ever grow, which makes the fold
// independent of the order and repetition of deliveries.
type Alert struct {
	Identity alert.Identity `json:"identity"`
	CaseID   string         `json:"caseId"`
	// Last is the alert as last delivered, with the folded status and times.
	Last   alert.Alert  `json:"last"`
	Status alert.Status `json:"status"`

	LastFired time.Time `json:"lastFired,omitzero"` // greatest startsAt of any firing; zero: none known
	EndedFrom time.Time `json:"endedFrom,omitzero"` // startsAt of the resolution that LastEnded is from
	LastEnded time.Time `json:"lastEnded,omitzero"` // greatest endsAt of any resolution; zero: none known
	// Disbelieved is the LastEnded that a later firing of the same startsAt
	// contradicted: that resolution no longer counts. Zero: none.
	Disbelieved time.Time `json:"disbelieved,omitzero"`

	FirstSeen time.Time `json:"firstSeen"`
	LastSeen  time.Time `json:"lastSeen"`
	AlertNoise
	Version int64 `json:"version"` // as Case.Version
}

// Firing reports whether the alert fires, from the folded times alone: the
// newest firing is not covered by a resolution that is believed.
func (a Alert) Firing() bool {
	if a.LastFired.IsZero() {
		return false
	}
	return a.LastEnded.IsZero() || a.LastFired.After(a.LastEnded) || a.LastEnded.Equal(a.Disbelieved)
}

// Contradicted reports whether the alert fires only because its newest
// resolution is not believed.
func (a Alert) Contradicted() bool {
	return a.Firing() && !a.LastEnded.IsZero() && !a.LastFired.After(a.LastEnded)
}

// Observation is one alert of one delivery and what was decided about it. Also
// what was dropped is kept, so that every question "where is my alert" has an
// answer.
type Observation struct {
	DeliveryID string         `json:"deliveryId"`
	N          int            `json:"n"` // position in the delivery, from 0
	Identity   alert.Identity `json:"identity"`
	Status     alert.Status   `json:"status"`
	StartsAt   time.Time      `json:"startsAt"`
	EndsAt     time.Time      `json:"endsAt,omitzero"`
	At         time.Time      `json:"at"`       // when it was received
	Decision   string         `json:"decision"` // stage.Decision, e.g. "accepted", "dropped" or "merged"
	Reason     string         `json:"reason"`   // stage.Reason, e.g. "fired", "repeat"
	Note       string         `json:"note,omitempty"`
	CaseID     string         `json:"caseId,omitempty"`
}
