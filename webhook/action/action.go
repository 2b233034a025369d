// Package action runs what is due: messages to channels and the service's own
// later steps, at least once each, recorded once.
//
// The idea: an action is a row with a due time and an idempotency key. The
// Executor claims rows under a lease, runs each through the handler of its
// kind, and records the outcome in one step with whatever follows from it. One
// retry policy serves all. What ran when the process died is found by its
// lapsed lease, marked unknown in the timeline, and run again with the same key.
//
//	x := action.New(action.Options{Queue: db, Senders: channels, Retry: rules.Retry, …})
//	go x.Run(ctx)   // until ctx ends
//	x.Wake()        // after a commit that added actions
//
// It decides nothing about alerts and knows no channel's protocol.
package action

import (
	"context"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// Sender is a channel: it sends one message. An error is retried unless it is
// a *cases.SendError that says otherwise; ctx carries the time limit of the
// attempt. A Sender is called for one message at a time per lane, and for up to
// Options.PerChannel at once.
type Sender interface {
	Send(ctx context.Context, m cases.Message) (cases.Receipt, error)
}

// Limited is a Sender whose other side takes only so many messages.
type Limited interface {
	// Limits are the quota, the name of what it belongs to, and whether several
	// messages may be sent as one. Without a quota everything is sent at once.
	Limits() (q policy.Quota, destination string, digest bool)
}

// Senders finds a channel by its configured name; it may change between calls
// (reload). An unknown name is retried until the action is too old.
type Senders interface {
	Sender(channel string) (Sender, bool)
}

// Handler carries out actions of one kind. Done.Change is committed together
// with the outcome. On cases.ErrConflict the handler is called again.
type Handler interface {
	Handle(ctx context.Context, a cases.Action) (Finished, error)
}

// Finished is what a handler achieved.
type Finished struct {
	Outcome cases.Outcome // "" means cases.OutcomeSent
	Receipt cases.Receipt
	Change  cases.Change
	Note    string // for the timeline
}

// Queue is what the executor needs of the store; see store.Store.
type Queue interface {
	DueChannels(ctx context.Context, now time.Time) ([]string, error)
	NextDue(ctx context.Context, after time.Time) (time.Time, error)
	Claim(ctx context.Context, r cases.ClaimRequest) ([]cases.Action, error)
	Extend(ctx context.Context, holder string, ids []string, until time.Time) ([]string, error)
	Finish(ctx context.Context, r cases.Result) error
	Reap(ctx context.Context, now time.Time) ([]cases.Action, error)

	FinishAll(ctx context.Context, all []cases.Result) (lost []string, err error)
	Waiting(ctx context.Context, channel string, now time.Time) (policy.Waiting, error)
	Bucket(ctx context.Context, name string) (policy.Bucket, error)
	Conditions(ctx context.Context, channels ...string) ([]policy.Condition, error)
	Block(ctx context.Context, name string, until time.Time) error
	Stuck(ctx context.Context, urgency policy.Grade, before time.Time, channels []string) ([]cases.Action, error)
	Ledger(ctx context.Context, q cases.LedgerQuery) ([]cases.LedgerLine, error)
	Commit(ctx context.Context, ch cases.Change) error
	Clock(ctx context.Context) (now time.Time, shifts int64, err error)
	Shift(ctx context.Context, by time.Duration, shifts int64) (moved, now int64, err error)
}
