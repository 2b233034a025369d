package cases

import "time"

// EventKind says what happened in a timeline.
type EventKind string

// What can happen to a case.
const (
	Opened       EventKind = "opened"       // the case was made
	Fired        EventKind = "fired"        // an alert of the case began to fire
	AlertEnded   EventKind = "alert_ended"  // an alert of the case is over
	Believed     EventKind = "believed"     // a firing that contradicts a resolution was believed, or not; Note says why
	Graded       EventKind = "graded"       // the grade changed
	StateChanged EventKind = "state"        // From and To are set
	Planned      EventKind = "planned"      // a message was planned; ActionID is set
	Sent         EventKind = "sent"         // a message was delivered
	SendFailed   EventKind = "send_failed"  // an attempt failed, another follows
	SendUnknown  EventKind = "send_unknown" // an attempt was interrupted; it is repeated with the same key
	GaveUp       EventKind = "gave_up"      // no attempt follows
	Cancelled    EventKind = "cancelled"    // an action was called off
	Noted        EventKind = "note"         // a person wrote something
	Assigned     EventKind = "assigned"     // the owner changed
)

// Event is one line of a case's timeline; it is never changed. Text in it may
// come from alerts and from other services: escape it when shown.
type Event struct {
	ID     int64     `json:"id"` // given by the store, rising; 0 before
	CaseID string    `json:"caseId"`
	At     time.Time `json:"at"`
	Kind   EventKind `json:"kind"`
	// Actor is who did it: "system", "alertmanager", "grafana" or a person's
	// login; Origin is where a person's request came from.
	Actor      string `json:"actor"`
	Origin     string `json:"origin,omitempty"`
	From       string `json:"from,omitempty"`     // previous state or owner
	To         string `json:"to,omitempty"`       // new state or owner
	Channel    string `json:"channel,omitempty"`  // for messages
	ActionID   string `json:"actionId,omitempty"` // for messages
	DeliveryID string `json:"deliveryId,omitempty"`
	Alert      string `json:"alert,omitempty"` // identity of the alert that caused it
	Note       string `json:"note,omitempty"`  // one sentence
}

// System is the Actor of what the service does by itself.
const System = "system"
