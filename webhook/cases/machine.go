package cases

import "fmt"

// State of a case.
type State string

// The states of a case, in the order in which they usually follow.
const (
	New        State = "new"         // nobody has looked yet
	Triage     State = "triage"      // acknowledged, being judged
	InProgress State = "in_progress" // somebody works on it
	Pending    State = "pending"     // waits for something outside
	Resolved   State = "resolved"    // all alerts are over, or a person said so
	Closed     State = "closed"      // for the record; a new firing makes a new case
)

// Trigger moves a case from one state to another.
type Trigger string

// The triggers of case transitions.
const (
	Acknowledge Trigger = "acknowledge" // a person has seen it, or sees it again: the acknowledgement begins anew
	Start       Trigger = "start"       // a person works on it
	Wait        Trigger = "wait"        // a person waits for something
	Release     Trigger = "release"     // a person hands it back
	Expire      Trigger = "expire"      // the acknowledgement ran out
	Resolve     Trigger = "resolve"     // the last alert is over, or a person says so
	Reopen      Trigger = "reopen"      // it fires again, or a person says so
	Close       Trigger = "close"       // time, or a person
)

// What people do to a case without moving it from its state.
const (
	Assign  Trigger = "assign" // give it to somebody
	Take    Trigger = "take"   // assign it to oneself
	Comment Trigger = "note"   // write something into the timeline
	Hush    Trigger = "mute"   // hold back messages about alerts like this for a time
	Praise  Trigger = "useful" // say that being told was useful
	Blame   Trigger = "noise"  // say that it was not
)

// CaseTransition is one row of the case table.
type CaseTransition struct {
	From State
	On   Trigger
	To   State
}

// CaseTable is the whole state machine of a case. What is not listed is not
// possible.
func CaseTable() []CaseTransition {
	return []CaseTransition{
		{New, Acknowledge, Triage},
		{New, Start, InProgress},
		{New, Wait, Pending},
		{New, Resolve, Resolved},
		{Triage, Acknowledge, Triage},
		{Triage, Start, InProgress},
		{Triage, Wait, Pending},
		{Triage, Release, New},
		{Triage, Expire, New},
		{Triage, Resolve, Resolved},
		{InProgress, Acknowledge, InProgress},
		{InProgress, Wait, Pending},
		{InProgress, Release, Triage},
		{InProgress, Expire, New},
		{InProgress, Resolve, Resolved},
		{Pending, Acknowledge, Pending},
		{Pending, Start, InProgress},
		{Pending, Release, Triage},
		{Pending, Expire, New},
		{Pending, Resolve, Resolved},
		{Resolved, Reopen, New},
		{Resolved, Close, Closed},
		{Closed, Reopen, New},
	}
}

// States lists all case states.
func States() []State { return []State{New, Triage, InProgress, Pending, Resolved, Closed} }

// NextState looks the transition up in CaseTable; the error names both sides.
func NextState(from State, on Trigger) (State, error) {
	for _, t := range CaseTable() {
		if t.From == from && t.On == on {
			return t.To, nil
		}
	}
	return from, fmt.Errorf("a case that is %s cannot %s", from, on)
}

// ActionState is the state of an action.
type ActionState string

// The states of an action.
const (
	Due     ActionState = "due"     // waits for its time
	Running ActionState = "running" // an executor holds a lease on it
	Retry   ActionState = "retry"   // failed, waits for the next attempt
	Unknown ActionState = "unknown" // its executor vanished while it ran; it may have happened, and is run again with the same key
	Done    ActionState = "done"    // over; Outcome says how
	Dead    ActionState = "dead"    // given up
)

// ActionTrigger moves an action from one state to another.
type ActionTrigger string

// The triggers of action transitions.
const (
	Claim   ActionTrigger = "claim"   // an executor takes it
	Succeed ActionTrigger = "succeed" // the attempt worked
	Fail    ActionTrigger = "fail"    // the attempt failed, another is allowed
	GiveUp  ActionTrigger = "give_up" // the attempt failed, no other is allowed
	Lose    ActionTrigger = "lose"    // the lease ran out, or the process restarted
	Cancel  ActionTrigger = "cancel"  // no longer wanted
)

// ActionTransition is one row of the action table.
type ActionTransition struct {
	From ActionState
	On   ActionTrigger
	To   ActionState
}

// ActionTable is the whole state machine of an action.
func ActionTable() []ActionTransition {
	return []ActionTransition{
		{Due, Claim, Running},
		{Due, Cancel, Done},
		{Running, Succeed, Done},
		{Running, Fail, Retry},
		{Running, GiveUp, Dead},
		{Running, Lose, Unknown},
		{Retry, Claim, Running},
		{Retry, Cancel, Done},
		{Unknown, Claim, Running},
		{Unknown, Cancel, Done},
	}
}

// ActionStates lists all action states.
func ActionStates() []ActionState { return []ActionState{Due, Running, Retry, Unknown, Done, Dead} }

// NextActionState looks the transition up in ActionTable.
func NextActionState(from ActionState, on ActionTrigger) (ActionState, error) {
	for _, t := range ActionTable() {
		if t.From == from && t.On == on {
			return t.To, nil
		}
	}
	return from, fmt.Errorf("an action that is %s cannot %s", from, on)
}
