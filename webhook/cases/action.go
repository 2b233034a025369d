package cases

import (
	"encoding/json"
	"time"

	"github.com/foreshock/foreshock/webhook/policy"
)

// Kind says what an action does; the executor has one handler per kind.
type Kind string

// The kinds of actions that exist now.
const (
	Notify     Kind = "notify"      // send the Notice in Payload to Channel
	Review     Kind = "review"      // look at the case again: is it to be told, graded anew, merged, settled
	DeadLetter Kind = "dead_letter" // open a case about a channel that gave a message up
	AutoClose  Kind = "close"       // close the case if it is still resolved in the same epoch
	Escalate   Kind = "escalate"    // carry out a step of the ladder if the case is still not acknowledged
	ExpireAck  Kind = "expire"      // end the acknowledgement if it is still the same one
	CheckSLA   Kind = "sla"         // warn that the case is soon, or now, over its time
)

// Action is something that shall happen once at or after Due. It is run at
// least once, with the same Key at every attempt, and recorded once.
type Action struct {
	ID     string `json:"id"`  // unique, sorts by time of planning (ULID)
	Key    string `json:"key"` // idempotency key: of two actions with one key only the first is stored
	CaseID string `json:"caseId"`
	Kind   Kind   `json:"kind"`
	// Channel is where it goes: a configured channel, or "internal". Channels do
	// not wait for each other.
	Channel string `json:"channel"`
	// Lane orders actions: within one lane they run one at a time, by Planned and
	// then ID, and one that is retried holds back those behind it.
	Lane    string          `json:"lane"`
	Epoch   int             `json:"epoch"` // of the case, when it was planned
	Payload json.RawMessage `json:"payload,omitempty"`
	// Urgency orders what waits for a channel: P0 first. It also says what may use the part of a quota that is kept for what is urgent.
	Urgency policy.Grade `json:"urgency"`
	// While is what must hold of the case for this to be run; see Condition.
	While Condition `json:"while,omitempty"`

	State   ActionState `json:"state"`
	Outcome Outcome     `json:"outcome,omitempty"`
	Planned time.Time   `json:"planned"` // when it was to happen at first, not before the change that planned it; never changes
	Due     time.Time   `json:"due"`     // when it is to happen next
	// Attempts counts begun attempts, the current one included.
	Attempts  int       `json:"attempts"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	LastError string    `json:"lastError,omitempty"` // holds no secrets
	Receipt   Receipt   `json:"receipt,omitzero"`    // of the attempt that worked

	// Holder and LeaseUntil are set while it runs.
	Holder     string    `json:"holder,omitempty"`
	LeaseUntil time.Time `json:"leaseUntil,omitzero"`

	// Previous is the receipt of the last action of this lane that was done; set
	// by a claim only, not stored here.
	Previous Receipt `json:"-"`
	// Interrupted is set by a claim when any attempt before this one ended
	// unknown: the other side may already have it.
	Interrupted bool `json:"-"`
}

// InternalChannel is the channel of actions that do not leave the process.
const InternalChannel = "internal"

// Outcome says how an action ended.
type Outcome string

// The outcomes of an action that is done or dead.
const (
	OutcomeSent      Outcome = "sent"      // delivered, or carried out
	OutcomeCancelled Outcome = "cancelled" // called off before it ran
	OutcomeObsolete  Outcome = "obsolete"  // when its time came there was nothing left to do
	OutcomeRejected  Outcome = "rejected"  // the other side will never accept it
	OutcomeExpired   Outcome = "expired"   // attempts or age ran out
)

// Receipt is what the other side said. It is kept with the action, shown, and
// handed to the next message of the same lane.
type Receipt struct {
	ID     string            `json:"id,omitempty"`     // the other side's name of the message
	Status int               `json:"status,omitempty"` // HTTP status, 0 when there is none
	Reply  string            `json:"reply,omitempty"`  // first part of the answer, without secrets
	Data   map[string]string `json:"data,omitempty"`   // what the channel wants back at the next message
}

// IsZero reports whether nothing is known.
func (r Receipt) IsZero() bool {
	return r.ID == "" && r.Status == 0 && r.Reply == "" && len(r.Data) == 0
}

// Attempt is one line of the delivery ledger: one try of one action.
type Attempt struct {
	ActionID string    `json:"actionId"`
	N        int       `json:"n"` // from 1
	CaseID   string    `json:"caseId"`
	Channel  string    `json:"channel"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended,omitzero"` // zero: never heard of again
	Result   string    `json:"result"`         // "sent", "failed", "unknown", …: the ActionState or Outcome it led to
	Error    string    `json:"error,omitempty"`
	Receipt  Receipt   `json:"receipt,omitzero"`
}
