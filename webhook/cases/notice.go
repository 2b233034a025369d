package cases

import (
	"errors"
	"fmt"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/policy"
)

// What a notice is about.
type What string

// The occasions of a notice.
const (
	WhatOpened       What = "opened"
	WhatReopened     What = "reopened"
	WhatResolved     What = "resolved"
	WhatAcknowledged What = "acknowledged" // a person has taken it on
	WhatAssigned     What = "assigned"     // it has another owner
	WhatEscalated    What = "escalated"    // nobody has acknowledged it so far
	WhatExpired      What = "expired"      // the acknowledgement ran out
	WhatSLAWarning   What = "sla_warning"  // most of the time to solve it is over
	WhatSLABreached  What = "sla_breached" // the time to solve it is over
	WhatFlapping     What = "flapping"     // an alert changes all the time; its changes are not told until it settles
	WhatSettled      What = "settled"      // what flapped does no longer, and still fires
	WhatRegraded     What = "regraded"     // the grade rose, or new facts lowered it
	WhatGrew         What = "grew"         // alerts were merged into the case
	WhatDigest       What = "digest"       // the case grew since the last message; Note counts the causes
	WhatMerged       What = "merged"       // the case goes on as a part of another; Note names it
)

// MaxNoticeAlerts bounds the alerts within one notice; More counts the others.
const MaxNoticeAlerts = 50

// Notice is the payload of a Notify action: everything a channel needs to
// write its message, as it was when the decision fell.
type Notice struct {
	What   What          `json:"what"`
	At     time.Time     `json:"at"`
	Case   Case          `json:"case"`
	Alerts []alert.Alert `json:"alerts"` // those that caused it, at most MaxNoticeAlerts
	More   int           `json:"more,omitempty"`
	Note   string        `json:"note,omitempty"` // e.g. that a resolution was not believed
	For    []string      `json:"for,omitempty"`  // whom it is meant for, where that is not everybody on the channel
}

// Urgency is how urgent the notice is: as its case, but for what only tells of progress.
func (n Notice) Urgency() policy.Grade {
	switch n.What {
	case WhatResolved, WhatMerged, WhatAcknowledged, WhatAssigned:
		return max(n.Case.Grade, policy.P2)
	}
	return n.Case.Grade
}

// Message is what a channel is asked to send.
type Message struct {
	// Key is the same at every attempt of this message and of no other: pass it
	// on as the other side's idempotency key where it has one.
	Key     string
	Attempt int // from 1
	// Interrupted: an earlier attempt may have arrived.
	Interrupted bool
	Channel     string
	Notice      Notice
	// Batch has the notices of a digest, most urgent first; then Notice is the first of them. Empty: the message is about Notice alone.
	Batch []Notice
	// Previous is the receipt of the last message about the same case on this
	// channel; zero for the first. It holds e.g. what to update or to thread on.
	Previous Receipt
}

// SendError tells the executor how to go on after a failed attempt. An error
// that is none of these is retried.
type SendError struct {
	Err        error         // what happened; must not hold secrets
	Permanent  bool          // never try again
	Unknown    bool          // it may have arrived all the same
	RetryAfter time.Duration // do not try before; 0: as the retry policy says
	Receipt    Receipt       // what the other side said, if anything
}

// Error is the sentence of Err.
func (e *SendError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *SendError) Unwrap() error { return e.Err }

// Rejected makes a permanent SendError.
func Rejected(r Receipt, format string, args ...any) error {
	return &SendError{Err: fmt.Errorf(format, args...), Permanent: true, Receipt: r}
}

// Later makes a SendError that waits at least d.
func Later(d time.Duration, r Receipt, format string, args ...any) error {
	return &SendError{Err: fmt.Errorf(format, args...), RetryAfter: d, Receipt: r}
}

// AsSendError finds the SendError in err, or makes a retryable one of it.
func AsSendError(err error) *SendError {
	var s *SendError
	if errors.As(err, &s) {
		return s
	}
	return &SendError{Err: err}
}
