package cases

import (
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/policy"
)

// Ladder is how far the escalation of a case has come.
type Ladder struct {
	// Run tells this walk up the ladder from earlier ones of the same epoch; 0:
	// none began.
	Run int64 `json:"run"`
	policy.Rung
	// Next is when the step is due; zero: nothing is to follow.
	Next time.Time `json:"next,omitzero"`
	// Told are the channels that steps of this epoch told, beside those of the
	// case: they hear of the end, too.
	Told []string `json:"told,omitempty"`
}

// IsZero reports whether nothing was ever planned.
func (l Ladder) IsZero() bool { return l.Run == 0 && len(l.Told) == 0 }

// Deadline is in which time a case is to be solved.
type Deadline struct {
	Since    time.Time `json:"since"`             // opening of this epoch
	Due      time.Time `json:"due,omitzero"`      // zero: no target
	Warned   time.Time `json:"warned,omitzero"`   // when people were warned
	Breached time.Time `json:"breached,omitzero"` // when it was missed
}

// IsZero reports whether there never was a target.
func (d Deadline) IsZero() bool { return d.Since.IsZero() }

// Condition is what must hold of its case for an action to be run. A store
// checks it in the step that hands the action out, and calls the action off
// when it does not hold.
type Condition string

// The conditions of actions.
const (
	Always Condition = "" // no condition
	// WhileUnacknowledged: the case is new, and in the epoch of the action.
	WhileUnacknowledged Condition = "unacknowledged"
	// WhileOpen: the case is neither resolved nor closed, and in that epoch.
	WhileOpen Condition = "open"
)

// Holds reports whether the condition of an action holds for its case.
func (c Condition) Holds(of Case, epoch int) bool {
	switch c {
	case WhileUnacknowledged:
		return of.State == New && of.Epoch == epoch
	case WhileOpen:
		return of.Open() && of.Epoch == epoch
	}
	return true
}

// Audience are the channels that hear of a case now: its own, and those that
// its escalation told.
func (c Case) Audience() []string {
	out := slices.Clone(c.Channels)
	for _, t := range c.Ladder.Told {
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// RungPayload is the payload of an Escalate action.
type RungPayload struct {
	Run int64 `json:"run"`
	policy.Rung
	Muted bool `json:"muted,omitempty"` // put off by a mute: its wait begins when that has ended
}
