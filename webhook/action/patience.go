package action

import (
	"context"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// storeTime bounds one call of the store. A connection that died in silence
// would hold a call for a quarter of an hour. It is less than half a Lease, so
// that one lost call does not cost the leases.
const storeTime = 8 * time.Second

// patient is a Queue whose calls end in time.
type patient struct {
	q Queue
}

func within[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return f(ctx)
}

func (p patient) DueChannels(ctx context.Context, now time.Time) ([]string, error) {
	return within(ctx, func(ctx context.Context) ([]string, error) { return p.q.DueChannels(ctx, now) })
}

func (p patient) NextDue(ctx context.Context, after time.Time) (time.Time, error) {
	return within(ctx, func(ctx context.Context) (time.Time, error) { return p.q.NextDue(ctx, after) })
}

func (p patient) Claim(ctx context.Context, r cases.ClaimRequest) ([]cases.Action, error) {
	return within(ctx, func(ctx context.Context) ([]cases.Action, error) { return p.q.Claim(ctx, r) })
}

func (p patient) Extend(ctx context.Context, holder string, ids []string, until time.Time) ([]string, error) {
	return within(ctx, func(ctx context.Context) ([]string, error) { return p.q.Extend(ctx, holder, ids, until) })
}

func (p patient) Finish(ctx context.Context, r cases.Result) error {
	_, err := within(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, p.q.Finish(ctx, r) })
	return err
}

func (p patient) Reap(ctx context.Context, now time.Time) ([]cases.Action, error) {
	return within(ctx, func(ctx context.Context) ([]cases.Action, error) { return p.q.Reap(ctx, now) })
}

func (p patient) FinishAll(ctx context.Context, all []cases.Result) ([]string, error) {
	return within(ctx, func(ctx context.Context) ([]string, error) { return p.q.FinishAll(ctx, all) })
}

func (p patient) Waiting(ctx context.Context, channel string, now time.Time) (policy.Waiting, error) {
	return within(ctx, func(ctx context.Context) (policy.Waiting, error) { return p.q.Waiting(ctx, channel, now) })
}

func (p patient) Bucket(ctx context.Context, name string) (policy.Bucket, error) {
	return within(ctx, func(ctx context.Context) (policy.Bucket, error) { return p.q.Bucket(ctx, name) })
}

func (p patient) Conditions(ctx context.Context, channels ...string) ([]policy.Condition, error) {
	return within(ctx, func(ctx context.Context) ([]policy.Condition, error) { return p.q.Conditions(ctx, channels...) })
}

func (p patient) Block(ctx context.Context, name string, until time.Time) error {
	_, err := within(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, p.q.Block(ctx, name, until) })
	return err
}

func (p patient) Stuck(ctx context.Context, urgency policy.Grade, before time.Time, channels []string) ([]cases.Action, error) {
	return within(ctx, func(ctx context.Context) ([]cases.Action, error) {
		return p.q.Stuck(ctx, urgency, before, channels)
	})
}

func (p patient) Ledger(ctx context.Context, q cases.LedgerQuery) ([]cases.LedgerLine, error) {
	return within(ctx, func(ctx context.Context) ([]cases.LedgerLine, error) { return p.q.Ledger(ctx, q) })
}

func (p patient) Commit(ctx context.Context, ch cases.Change) error {
	_, err := within(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, p.q.Commit(ctx, ch) })
	return err
}

func (p patient) Clock(ctx context.Context) (now time.Time, shifts int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return p.q.Clock(ctx)
}

func (p patient) Shift(ctx context.Context, by time.Duration, shifts int64) (moved, now int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return p.q.Shift(ctx, by, shifts)
}
