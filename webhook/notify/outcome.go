package notify

import (
	"errors"
	"fmt"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// Status says what became of a message.
type Status uint8

// What became of a message. The zero value is not a status, so that a forgotten one is seen.
const (
	// StatusSent: the other side took it.
	StatusSent Status = iota + 1
	// StatusRetry: it certainly did not arrive, or the other side asked to come back; sending again is right.
	StatusRetry
	// StatusPermanent: it did not arrive and never will as it is: wrong credentials, no such room, refused content.
	StatusPermanent
	// StatusUnknown: it left and no reply came; it may have arrived. Sending again may double it; not sending may lose it.
	StatusUnknown
)

// String returns "sent", "retry", "permanent" or "unknown".
func (s Status) String() string {
	switch s {
	case StatusSent:
		return "sent"
	case StatusRetry:
		return "retry"
	case StatusPermanent:
		return "permanent"
	case StatusUnknown:
		return "unknown"
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// Outcome is what became of one message.
type Outcome struct {
	Status Status
	// After is how long the other side, or its documented quota, asks to wait before the next try; 0: the caller's own backoff.
	After time.Duration
	// Reason is one line for people: the status and the beginning of the reply, or what went wrong. It holds no secret.
	Reason string
	// Receipt is what the other side said, for the ledger and for the next message about the same case.
	Receipt cases.Receipt
}

// Result is the outcome in the executor's terms: a receipt, or a *cases.SendError that says how to go on.
func (o Outcome) Result() (cases.Receipt, error) {
	if o.Status == StatusSent {
		return o.Receipt, nil
	}
	reason := o.Reason
	if o.Status == StatusUnknown {
		reason = "it may have arrived: " + reason
	}
	return o.Receipt, &cases.SendError{
		Err: errors.New(reason), Permanent: o.Status == StatusPermanent, Unknown: o.Status == StatusUnknown, RetryAfter: o.After, Receipt: o.Receipt,
	}
}

// Sent is the outcome of a message that was taken.
func Sent(reason string) Outcome { return Outcome{Status: StatusSent, Reason: reason} }

// Retry is the outcome of a message that did not arrive, to be sent again after the time, or after the caller's own backoff when it is 0.
func Retry(after time.Duration, reason string) Outcome {
	return Outcome{Status: StatusRetry, After: after, Reason: reason}
}

// Permanent is the outcome of a message that never will arrive as it is.
func Permanent(reason string) Outcome { return Outcome{Status: StatusPermanent, Reason: reason} }

// Unknown is the outcome of a message that may have arrived.
func Unknown(reason string) Outcome { return Outcome{Status: StatusUnknown, Reason: reason} }
