package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// maxDecisions bounds how often a handler decides anew because its change was
// stale.
const maxDecisions = 20

// attempt runs a claimed action once and records how it went. ctx does not end
// with the executor.
func (x *Executor) attempt(ctx context.Context, a cases.Action) {
	x.o.Metrics.began(a.Channel, x.o.Now().Sub(a.Due))
	run, cancel := context.WithTimeout(ctx, x.o.Timeout)
	defer cancel()
	x.mu.Lock()
	x.running[a.ID] = cancel
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		delete(x.running, a.ID)
		x.mu.Unlock()
		x.o.Metrics.ended()
	}()
	for range maxDecisions {
		began := time.Now()
		done, err := x.handle(run, a)
		took := time.Since(began)
		x.o.Metrics.took(a.Channel, took)
		r := x.result(a, done, err)
		r.Try = x.learn(ctx, r, took)
		switch err := x.record(ctx, r); {
		case errors.Is(err, cases.ErrConflict):
			continue
		case errors.Is(err, cases.ErrLost):
			x.o.Metrics.attempt(a.Channel, resultLost)
			x.o.Log.Warn("an attempt ended after its lease was lost; it is repeated", "action", a.ID, "channel", a.Channel, "attempt", a.Attempts)
		case err != nil:
			x.trouble(ctx, "recording an attempt", err)
		default:
			x.tell(r)
			if r.Try != nil {
				_, _ = x.condition(ctx, a.Channel) // it is read again anyway
			}
		}
		return
	}
	x.trouble(ctx, "recording an attempt", fmt.Errorf("action %s: after %d decisions: %w", a.ID, maxDecisions, cases.ErrConflict))
}

// handle finds out what to do and does it. A panic is an error of that action.
func (x *Executor) handle(ctx context.Context, a cases.Action) (done Finished, err error) {
	defer func() {
		if p := recover(); p != nil {
			x.o.Log.Error("a handler panicked", "action", a.ID, "kind", a.Kind, "channel", a.Channel, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("the handler of %s on %s panicked", a.Kind, a.Channel)
		}
	}()
	if h := x.o.Handlers[a.Kind]; h != nil {
		return h.Handle(ctx, a)
	}
	if a.Kind != cases.Notify {
		return done, cases.Rejected(cases.Receipt{}, "there is no handler for actions of kind %q", a.Kind)
	}
	sender, ok := x.o.Senders.Sender(a.Channel)
	if !ok {
		return done, fmt.Errorf("no channel is named %q in the configuration", a.Channel)
	}
	m := cases.Message{Key: a.Key, Attempt: a.Attempts, Interrupted: a.Interrupted, Channel: a.Channel, Previous: a.Previous}
	if err := json.Unmarshal(a.Payload, &m.Notice); err != nil {
		return done, cases.Rejected(cases.Receipt{}, "the stored notice cannot be read: %w", err)
	}
	done.Receipt, err = sender.Send(ctx, m)
	return done, err
}

// result decides what an attempt leads to.
func (x *Executor) result(a cases.Action, done Finished, err error) cases.Result {
	now := x.o.Now()
	r := cases.Result{Action: a, At: now}
	event := cases.Event{CaseID: a.CaseID, At: now, Actor: cases.System, Channel: a.Channel, ActionID: a.ID}
	if err == nil {
		r.State, r.Outcome, r.Receipt, r.Change = cases.Done, done.Outcome, done.Receipt, done.Change
		if r.Outcome == "" {
			r.Outcome = cases.OutcomeSent
		}
		event.Kind, event.Note = cases.Sent, done.Note
		if a.Kind == cases.Notify {
			r.Events = []cases.Event{event}
		}
		return r
	}
	failure := cases.AsSendError(err)
	r.Error, r.Receipt, r.Unknown, r.Asked = failure.Error(), failure.Receipt, failure.Unknown, failure.RetryAfter
	due, again := x.next(policy.Failure{
		Attempt: a.Attempts, First: a.Planned, Now: now, RetryAfter: failure.RetryAfter, Permanent: failure.Permanent,
	})
	switch {
	case again:
		r.State, r.Due = cases.Retry, due
		event.Kind = cases.SendFailed
		event.Note = fmt.Sprintf("attempt %d failed: %s; next at %s", a.Attempts, r.Error, due.UTC().Format(time.RFC3339))
	case failure.Permanent:
		r.State, r.Outcome = cases.Dead, cases.OutcomeRejected
		event.Kind, event.Note = cases.GaveUp, fmt.Sprintf("attempt %d was rejected for good: %s", a.Attempts, r.Error)
	default:
		r.State, r.Outcome = cases.Dead, cases.OutcomeExpired
		event.Kind, event.Note = cases.GaveUp, fmt.Sprintf("given up after attempt %d: %s", a.Attempts, r.Error)
	}
	r.Events = []cases.Event{event}
	if r.State == cases.Dead && a.Kind == cases.Notify {
		x.bury(&r)
	}
	return r
}

func (x *Executor) next(f policy.Failure) (time.Time, bool) {
	x.mu.Lock() // the source of randomness
	defer x.mu.Unlock()
	return x.o.Retry().Next(f, x.o.Rand)
}

// record writes the result; while the store is in trouble it tries again, for
// as long as the lease may last.
func (x *Executor) record(ctx context.Context, r cases.Result) error {
	ctx, cancel := context.WithTimeout(ctx, x.o.Lease)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := x.o.Queue.Finish(ctx, r)
		if err == nil || errors.Is(err, cases.ErrConflict) || errors.Is(err, cases.ErrLost) {
			return err
		}
		x.o.Metrics.storeError()
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return err
		case <-t.C:
		}
	}
}

// tell counts and logs a recorded result, and wakes the dispatcher when it
// brought new actions or an earlier due time.
func (x *Executor) tell(r cases.Result) {
	a := r.Action
	switch r.State {
	case cases.Retry:
		x.o.Metrics.attempt(a.Channel, resultRetry)
		x.o.Log.Warn("an attempt failed; another follows", "action", a.ID, "case", a.CaseID, "channel", a.Channel, "attempt", a.Attempts, "due", r.Due, "error", r.Error)
		x.Wake()
	case cases.Dead:
		x.o.Metrics.attempt(a.Channel, resultDead)
		x.o.Log.Error("an action was given up", "action", a.ID, "case", a.CaseID, "channel", a.Channel, "attempts", a.Attempts, "error", r.Error)
	default:
		x.o.Metrics.attempt(a.Channel, resultDone)
	}
	if len(r.Change.Actions) > 0 {
		x.Wake()
	}
}
