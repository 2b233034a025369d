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
	Relayed      EventKind = "relayed"      // a message that did not get out on From was given to To
	Feedback     EventKind = "feedback"     // a person said whether being told was useful: To is "useful" or "noise"
	GaveUp       EventKind = "gave_up"      // no attempt follows
	Cancelled    EventKind = "cancelled"    // an action was called off
	Noted        EventKind = "note"         // a person wrote something
	Assigned     EventKind = "assigned"     // the owner changed
	Escalated    EventKind = "escalated"    // a step of the ladder was carried out
	SLAWarned    EventKind = "sla_warned"   // most of the time to solve it is over
	SLABreached  EventKind = "sla_breached" // the time to solve it is over
	Overridden   EventKind = "overridden"   // somebody was put on call, or no longer; of no case
	Joined       EventKind = "joined"       // an alert was merged into the case; Note says why
	Left         EventKind = "left"         // an alert was taken out of the case; To is where it is now
	Flapping     EventKind = "flapping"     // an alert began to flap, or is held since it flaps
	Settled      EventKind = "settled"      // an alert no longer flaps
	Muted        EventKind = "muted"        // a message was held back; Note says by whom and until when
	MuteGiven    EventKind = "mute_given"   // somebody muted by hand; To is the mute; of no case
	MuteEnded    EventKind = "mute_ended"   // somebody ended the mute From before its time; of no case
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
	Via        string `json:"via,omitempty"`      // by what way: see Via
	From       string `json:"from,omitempty"`     // previous state or owner
	To         string `json:"to,omitempty"`       // new state or owner
	Channel    string `json:"channel,omitempty"`  // for messages
	ActionID   string `json:"actionId,omitempty"` // for messages
	DeliveryID string `json:"deliveryId,omitempty"`
	Alert      string `json:"alert,omitempty"` // identity of the alert that caused it
	Note       string `json:"note,omitempty"`  // one sentence
}

// The ways by which a person acts; what the service does by itself has none.
const (
	ViaPage      = "page"
	ViaAPI       = "api"
	ViaSlack     = "slack"
	ViaPagerDuty = "pagerduty"
	ViaGrafana   = "grafana"
	ViaLink      = "link"
)

// System is the Actor of what the service does by itself.
const System = "system"
