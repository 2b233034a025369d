package cases

import (
	"errors"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
)

// ErrConflict is returned by a store when something in a Change was changed by
// somebody else since it was read: read again and decide again.
var ErrConflict = errors.New("changed by somebody else meanwhile")

// ErrNotFound is returned by a store for an unknown ID.
var ErrNotFound = errors.New("not found")

// ErrRepeated is returned by a store when a Change has the name of a request that was carried out before.
var ErrRepeated = errors.New("this request was carried out already")

// ErrLost is returned by a store when the outcome of an action is reported by
// one who no longer holds its lease.
var ErrLost = errors.New("the lease was lost")

// Change is everything that one decision writes: committed whole or not at all.
type Change struct {
	Delivery     *alert.Delivery // stored with its raw body when not nil
	Observations []Observation
	// Alerts and Cases replace what is stored, if the stored version is the one
	// given (0: must not exist yet), else the whole Change is an ErrConflict.
	// No identity and no case ID may occur twice.
	Alerts []Alert
	Cases  []Case
	Events []Event
	// Actions are added; one whose Key exists already is left out silently.
	Actions []Action
	Cancel  []CancelActions
	// Once are names of requests that must count once: when one of them is stored already, the whole Change is an ErrRepeated.
	Once []string
	// Relayed are IDs of actions whose message was also given to another channel.
	Relayed []string
	// Beats are signs of life of watchdogs; only newer times than the stored ones
	// are taken.
	Beats []Heartbeat
	// Links are joined with what is stored of the same kind, key and case; those
	// of the cases in Unlink are removed before.
	Links  []Link
	Unlink []string
	Splits []Split
	Mutes  []MuteOrder // added, or replaced by ID
}

// Empty reports whether the change writes nothing.
func (c Change) Empty() bool {
	return c.Delivery == nil && len(c.Observations) == 0 && len(c.Alerts) == 0 && len(c.Cases) == 0 &&
		len(c.Events) == 0 && len(c.Actions) == 0 && len(c.Cancel) == 0 && len(c.Beats) == 0 &&
		len(c.Links) == 0 && len(c.Unlink) == 0 && len(c.Splits) == 0 && len(c.Mutes) == 0 && len(c.Once) == 0 && len(c.Relayed) == 0
}

// CancelActions calls off what waits: the actions of the case of these kinds
// (all when empty) and conditions (any when empty) that are due, retry or
// unknown become done, cancelled. Actions of the same Change are not touched.
type CancelActions struct {
	CaseID string
	Kinds  []Kind
	While  []Condition
	At     time.Time
	Reason string // one sentence
}

// Prior is what is known before a decision.
type Prior struct {
	// Alerts by identity; what is not in it is unknown.
	Alerts map[alert.Identity]Alert
	// Cases by ID: the cases of Alerts, and those not closed with a Key in ByKey.
	Cases map[string]Case
	// ByKey names, for each asked key, the case that is not closed, if any.
	ByKey map[string]string
}

// ClaimRequest asks for actions to run.
type ClaimRequest struct {
	Holder  string        // who asks; unique per process start
	Channel string        // actions of this channel only
	Now     time.Time     // what is due at this time
	Lease   time.Duration // how long they are the holder's alone
	Limit   int           // at most so many, at least 1
	// UrgentOnly leaves out what is less urgent than P0.
	UrgentOnly bool
	// Bucket replaces what is stored of that name when anything is claimed; ErrConflict when another version is stored by now, and nothing is claimed.
	Bucket *policy.Bucket
	// Probe is the same for how the channel does, when what is claimed is a probe.
	Probe *policy.Condition
}

// Result is how an attempt ended; stored in one step with what follows from it.
type Result struct {
	Action  Action      // as claimed
	State   ActionState // Done, Retry or Dead
	Outcome Outcome     // for Done and Dead
	Due     time.Time   // for Retry: when next
	At      time.Time
	Unknown bool          // it failed, but the other side may have it
	Asked   time.Duration // how long the other side asked to wait; not stored
	Error   string
	Receipt Receipt
	Events  []Event
	// Try is what the attempt says of its channel, which is stored with it; nil: nothing.
	Try *policy.Try
	// Change is committed with it; ErrConflict when it cannot be: the action is
	// still held and may be decided again.
	Change Change
}
