package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// waiting is what can be claimed; the partial indexes have the same words.
const waiting = "state IN ('due', 'retry', 'unknown')"

// What is asked after every delivery: each looks up a few places of an index, so that a long queue costs nothing.
const (
	// dueChannels jumps from channel to channel.
	dueChannels = `WITH RECURSIVE c (name) AS (
			SELECT min(channel) FROM actions WHERE ` + waiting + `
			UNION ALL
			SELECT (SELECT min(channel) FROM actions WHERE ` + waiting + ` AND channel > c.name) FROM c WHERE c.name IS NOT NULL
		) SELECT name FROM c WHERE name IS NOT NULL
			AND EXISTS (SELECT 1 FROM actions WHERE ` + waiting + ` AND channel = c.name AND due <= ?)`
	nextDue   = `SELECT min(due) FROM actions WHERE ` + waiting + ` AND due > ?`
	oldestDue = `SELECT min(due) FROM actions WHERE ` + waiting
)

// DueChannels names the channels on which something is due. See Store.
func (db *DB) DueChannels(ctx context.Context, now time.Time) ([]string, error) {
	rows, err := db.read(ctx, dueChannels, micros(now))
	var out []string
	err = each(rows, err, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		out = append(out, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the channels with due actions: %w", err)
	}
	return out, nil
}

// NextDue is the earliest due time after the given one; zero if there is none.
func (db *DB) NextDue(ctx context.Context, after time.Time) (time.Time, error) {
	rows, err := db.read(ctx, nextDue, micros(after))
	var due sql.NullInt64
	if err := each(rows, err, func(scan func(...any) error) error { return scan(&due) }); err != nil {
		return time.Time{}, fmt.Errorf("reading the next due time: %w", err)
	}
	return moment(due.Int64), nil
}

// Claim hands out due actions. See Store.
func (db *DB) Claim(ctx context.Context, r cases.ClaimRequest) ([]cases.Action, error) {
	var out []cases.Action
	err := db.writer.write(ctx, func(ctx context.Context, t tx) error {
		var err error
		if out, err = db.pick(ctx, t, r); err != nil || len(out) == 0 {
			return err
		}
		if r.Bucket != nil {
			if err := saveBucket(ctx, t, *r.Bucket); err != nil {
				return err
			}
		}
		if out, err = callOff(ctx, t, r.Now, out); err != nil {
			return err
		}
		if err := db.hold(ctx, t, r, out); err != nil || r.Probe == nil || len(out) == 0 {
			return err
		}
		return saveCondition(ctx, t, *r.Probe)
	})
	if err != nil {
		return nil, fmt.Errorf("claiming actions of %s: %w", r.Channel, err)
	}
	return out, nil
}

// pick selects what can run: due, and first in its lane. The + keeps SQLite from
// sorting everything that is due, instead of walking the index in its order.
func (db *DB) pick(ctx context.Context, t tx, r cases.ClaimRequest) ([]cases.Action, error) {
	only := ""
	if r.UrgentOnly {
		only = " AND urgency = 0"
	}
	rows, err := t.query(ctx, `SELECT `+list(actionColumns)+` FROM actions WHERE `+waiting+` AND channel = ?`+only+` AND +due <= ?
		AND NOT EXISTS (SELECT 1 FROM actions AS ahead WHERE ahead.lane = actions.lane
			AND ahead.state IN ('due', 'retry', 'unknown', 'running')
			AND (ahead.planned < actions.planned OR (ahead.planned = actions.planned AND ahead.id < actions.id)))
		ORDER BY urgency, planned, id LIMIT ?`+db.dialect.skip, text(r.Channel), micros(r.Now), int64(max(1, r.Limit)))
	var out []cases.Action
	err = each(rows, err, func(scan func(...any) error) error {
		a, err := scanAction(scan)
		out = append(out, a)
		return err
	})
	return out, err
}

// hold marks the picked actions as running, and fills in what a claim adds.
func (db *DB) hold(ctx context.Context, t tx, r cases.ClaimRequest, picked []cases.Action) error {
	for i := range picked {
		a := &picked[i]
		a.State, a.Holder, a.LeaseUntil, a.UpdatedAt = cases.Running, r.Holder, r.Now.Add(r.Lease), r.Now
		a.Attempts++
		_, err := t.exec(ctx, `UPDATE actions SET state = 'running', holder = ?, lease_until = ?, attempts = ?, updated_at = ? WHERE id = ?`,
			a.Holder, micros(a.LeaseUntil), int64(a.Attempts), micros(a.UpdatedAt), a.ID)
		if err != nil {
			return err
		}
		rows, err := t.query(ctx, `SELECT 1 FROM attempts WHERE action_id = ? AND result = 'unknown' LIMIT 1`, a.ID)
		err = each(rows, err, func(scan func(...any) error) error {
			a.Interrupted = true
			return nil
		})
		if err != nil {
			return err
		}
		rows, err = t.query(ctx, `SELECT `+list(actionColumns)+` FROM actions WHERE lane = ? AND state = 'done' AND outcome = 'sent'
			ORDER BY updated_at DESC LIMIT 1`, text(a.Lane))
		err = each(rows, err, func(scan func(...any) error) error {
			before, err := scanAction(scan)
			a.Previous = before.Receipt
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Extend prolongs leases and returns what is still held.
func (db *DB) Extend(ctx context.Context, holder string, ids []string, until time.Time) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	args := []any{micros(until), holder}
	for _, id := range ids {
		args = append(args, text(id))
	}
	var out []string
	err := db.writer.write(ctx, func(ctx context.Context, t tx) error {
		out = nil
		rows, err := t.query(ctx, `UPDATE actions SET lease_until = ? WHERE holder = ? AND state = 'running' AND id IN (`+marks(len(ids))+`) RETURNING id`, args...)
		return each(rows, err, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			out = append(out, id)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("extending leases: %w", err)
	}
	return out, nil
}

// Finish records an attempt and what follows from it. See Store.
func (db *DB) Finish(ctx context.Context, r cases.Result) error {
	p, err := pack(r.Change)
	if err != nil {
		return fmt.Errorf("finishing action %s: %w", r.Action.ID, err)
	}
	receipt, err := structure(r.Receipt)
	if err != nil {
		return fmt.Errorf("finishing action %s: %w", r.Action.ID, err)
	}
	err = db.writer.write(ctx, func(ctx context.Context, t tx) error {
		if err := finish(ctx, t, r, p, receipt); err != nil {
			return err
		}
		return tried(ctx, t, r.Action.Channel, r.Try)
	})
	if err != nil {
		return fmt.Errorf("finishing action %s: %w", r.Action.ID, err)
	}
	return nil
}

// finish writes an attempt and what follows from it.
func finish(ctx context.Context, t tx, r cases.Result, p parcel, receipt string) error {
	due := r.Action.Due
	if r.State == cases.Retry {
		due = r.Due
	}
	n, err := t.exec(ctx, `UPDATE actions SET state = ?, outcome = ?, due = ?, last_error = ?, receipt = ?, holder = '', lease_until = 0, updated_at = ?
			WHERE id = ? AND state = 'running' AND holder = ? AND attempts = ?`,
		text(r.State), text(r.Outcome), micros(due), text(r.Error), receipt, micros(r.At), r.Action.ID, r.Action.Holder, int64(r.Action.Attempts))
	if err != nil {
		return err
	}
	if n == 0 {
		return cases.ErrLost
	}
	result := string(r.Outcome)
	if r.State == cases.Retry {
		result = "failed"
	}
	if r.Unknown {
		result = string(cases.Unknown)
	}
	if err := ledger(ctx, t, r.Action, cases.Attempt{Ended: r.At, Result: result, Error: r.Error, Receipt: r.Receipt}); err != nil {
		return err
	}
	events := make([][]any, len(r.Events))
	for i, e := range r.Events {
		events[i] = eventRow(e)
	}
	if _, err := eventTable.insert(ctx, t, events); err != nil {
		return err
	}
	return p.apply(ctx, t)
}

// ledger writes one line about the attempt that a claimed action is in.
func ledger(ctx context.Context, t tx, a cases.Action, line cases.Attempt) error {
	line.ActionID, line.N, line.CaseID, line.Channel, line.Began = a.ID, a.Attempts, a.CaseID, a.Channel, a.UpdatedAt
	row, err := attemptRow(line)
	if err != nil {
		return err
	}
	_, err = attemptTable.insert(ctx, t, [][]any{row})
	return err
}

// Reap makes actions unknown whose lease has ended. See Store.
func (db *DB) Reap(ctx context.Context, now time.Time) ([]cases.Action, error) {
	// Nearly always there is nothing, and looking is cheaper than writing.
	var lapsed int
	rows, err := db.read(ctx, `SELECT count(*) FROM actions WHERE state = 'running' AND lease_until <= ?`, micros(now))
	if err := each(rows, err, func(scan func(...any) error) error { return scan(&lapsed) }); err != nil {
		return nil, fmt.Errorf("looking for lapsed leases: %w", err)
	}
	if lapsed == 0 {
		return nil, nil
	}
	var out []cases.Action
	err = db.writer.write(ctx, func(ctx context.Context, t tx) error {
		out = nil
		rows, err := t.query(ctx, `UPDATE actions SET state = 'unknown', holder = '', lease_until = 0
			WHERE state = 'running' AND lease_until <= ? RETURNING `+list(actionColumns), micros(now))
		if err := each(rows, err, func(scan func(...any) error) error {
			a, err := scanAction(scan)
			out = append(out, a)
			return err
		}); err != nil {
			return err
		}
		var events [][]any
		for _, a := range out {
			if err := ledger(ctx, t, a, cases.Attempt{Result: string(cases.Unknown)}); err != nil {
				return err
			}
			events = append(events, eventRow(cases.Event{
				CaseID: a.CaseID, At: now, Kind: cases.SendUnknown, Actor: cases.System, Channel: a.Channel, ActionID: a.ID,
				Note: fmt.Sprintf("attempt %d was interrupted; it is repeated with the same key", a.Attempts),
			}))
		}
		_, err = eventTable.insert(ctx, t, events)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("collecting lapsed leases: %w", err)
	}
	return out, nil
}
