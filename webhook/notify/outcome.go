package notify

import (
	"fmt"
	"time"
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
	// Paced marks a retry that our own pacing caused: nothing was sent, so it is not a failed attempt.
	Paced bool
	// Reason is one line for people: the status and the beginning of the reply, or what went wrong. It holds no secret.
	Reason string
	// Ref names the message at the other side (Slack's channel and ts), for a later update; empty where there is none.
	Ref string
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
