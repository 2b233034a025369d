package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// maxCounted bounds what Waiting counts, maxStuck what Stuck lists.
const (
	maxCounted = 1000
	maxStuck   = 200
)

// FinishAll records the attempts of one message. See Store.
func (db *DB) FinishAll(ctx context.Context, all []cases.Result) (lost []string, err error) {
	parcels, receipts := make([]parcel, len(all)), make([]string, len(all))
	for i, r := range all {
		if parcels[i], err = pack(r.Change); err != nil {
			return nil, fmt.Errorf("finishing action %s: %w", r.Action.ID, err)
		}
		if receipts[i], err = structure(r.Receipt); err != nil {
			return nil, fmt.Errorf("finishing action %s: %w", r.Action.ID, err)
		}
	}
	err = db.writer.write(ctx, func(ctx context.Context, t tx) error {
		lost = nil
		for i, r := range all {
			switch err := finish(ctx, t, r, parcels[i], receipts[i]); {
			case errors.Is(err, cases.ErrLost):
				lost = append(lost, r.Action.ID) // nothing was written for it
			case err != nil:
				return err
			}
		}
		for _, r := range all {
			if r.Try != nil && !slices.Contains(lost, r.Action.ID) {
				return tried(ctx, t, r.Action.Channel, r.Try) // it was one message
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("finishing %d actions: %w", len(all), err)
	}
	return lost, nil
}

// Waiting counts what is due on a channel. See Store.
func (db *DB) Waiting(ctx context.Context, channel string, now time.Time) (policy.Waiting, error) {
	var w policy.Waiting
	for _, c := range []struct {
		to    *int
		which string
	}{{&w.Urgent, "urgency = 0"}, {&w.Other, "urgency > 0"}} {
		rows, err := db.read(ctx, `SELECT count(*) FROM (SELECT 1 FROM actions WHERE `+waiting+` AND channel = ? AND `+c.which+` AND +due <= ? LIMIT ?) AS counted`,
			text(channel), micros(now), int64(maxCounted))
		if err := each(rows, err, func(scan func(...any) error) error { return scan(c.to) }); err != nil {
			return w, fmt.Errorf("counting what waits for %s: %w", channel, err)
		}
	}
	return w, nil
}

// Bucket reads what was spent at a destination. See Store.
func (db *DB) Bucket(ctx context.Context, name string) (policy.Bucket, error) {
	b, err := readBucket(ctx, db.read, name)
	if err != nil {
		return b, fmt.Errorf("reading what was sent to %s: %w", name, err)
	}
	return b, nil
}

// Block lets nothing go to a destination before the time. See Store.
func (db *DB) Block(ctx context.Context, name string, until time.Time) error {
	err := db.writer.write(ctx, func(ctx context.Context, t tx) error {
		b, err := readBucket(ctx, t.query, name)
		if err != nil || !until.After(b.Blocked) {
			return err
		}
		b.Blocked = until
		return saveBucket(ctx, t, b)
	})
	if err != nil && !errors.Is(err, cases.ErrConflict) { // another replica was refused at the same moment
		return fmt.Errorf("blocking %s: %w", name, err)
	}
	return nil
}

func readBucket(ctx context.Context, query func(context.Context, string, ...any) (*sql.Rows, error), name string) (policy.Bucket, error) {
	b := policy.Bucket{Name: name}
	rows, err := query(ctx, `SELECT state, version FROM buckets WHERE name = ?`, text(name))
	err = each(rows, err, func(scan func(...any) error) error {
		var state []byte
		if err := scan(&state, &b.Version); err != nil {
			return err
		}
		version := b.Version
		if err := json.Unmarshal(state, &b); err != nil {
			return fmt.Errorf("decoding: %w", err)
		}
		b.Name, b.Version = name, version
		return nil
	})
	return b, err
}

// saveBucket replaces a bucket of the version that it was made from.
func saveBucket(ctx context.Context, t tx, b policy.Bucket) error {
	state, err := structure(b)
	if err != nil {
		return err
	}
	n, err := bucketTable.insert(ctx, t, [][]any{{text(b.Name), state, b.Version + 1}})
	if err != nil {
		return err
	}
	if n == 0 {
		return cases.ErrConflict
	}
	return nil
}

var (
	bucketTable = upsert("buckets", "name", "state version")
	onceTable   = newTable("once", "name at", "ON CONFLICT (name) DO NOTHING")
)

// firstTime notes names of requests; cases.ErrRepeated when one is known.
func firstTime(ctx context.Context, t tx, names []string) error {
	now := time.Now()
	for _, name := range names {
		n, err := onceTable.insert(ctx, t, [][]any{{text(name), micros(now)}})
		if err != nil {
			return fmt.Errorf("noting a request: %w", err)
		}
		if n == 0 {
			return cases.ErrRepeated
		}
	}
	return nil
}

// relay marks actions whose message was also given to another channel.
func relay(ctx context.Context, t tx, ids []string) error {
	for _, id := range ids {
		if _, err := t.exec(ctx, `UPDATE actions SET relayed = 1 WHERE id = ?`, text(id)); err != nil {
			return err
		}
	}
	return nil
}

// Stuck lists messages that wait for too long. See Store.
func (db *DB) Stuck(ctx context.Context, urgency policy.Grade, before time.Time, channels []string) ([]cases.Action, error) {
	query := `SELECT ` + list(actionColumns) + ` FROM actions WHERE ` + waiting + ` AND kind = 'notify' AND relayed = 0 AND urgency = ? AND planned < ?`
	args := []any{int64(urgency), micros(before)}
	if len(channels) > 0 {
		query += " AND channel IN (" + marks(len(channels)) + ")"
		for _, c := range channels {
			args = append(args, text(c))
		}
	}
	rows, err := db.read(ctx, query+` ORDER BY planned, id LIMIT ?`, append(args, int64(maxStuck))...)
	out, err := gather(rows, err, scanAction)
	if err != nil {
		return nil, fmt.Errorf("looking for messages that wait for too long: %w", err)
	}
	return out, nil
}

// Ledger lists attempts. See Store.
func (db *DB) Ledger(ctx context.Context, q cases.LedgerQuery) ([]cases.LedgerLine, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(cond string, values ...any) {
		where, args = append(where, cond), append(args, values...)
	}
	if q.Channel != "" {
		add("t.channel = ?", text(q.Channel))
	}
	if q.CaseID != "" {
		add("t.case_id = ?", text(q.CaseID))
	}
	if len(q.Results) > 0 {
		add("t.result IN (" + marks(len(q.Results)) + ")")
		for _, r := range q.Results {
			args = append(args, text(r))
		}
	}
	if !q.Since.IsZero() {
		add("t.began >= ?", micros(q.Since))
	}
	if !q.Until.IsZero() {
		add("t.began < ?", micros(q.Until))
	}
	if q.Before != "" {
		began, id, n, err := q.Cursor()
		if err != nil {
			return nil, err
		}
		add("(t.began < ? OR (t.began = ? AND (t.action_id < ? OR (t.action_id = ? AND t.n < ?))))", began, began, text(id), text(id), n)
	}
	if !q.Internal {
		add("t.channel <> ?", cases.InternalChannel)
	}
	var columns []string
	for _, c := range strings.Fields(attemptColumns) {
		columns = append(columns, "t."+c)
	}
	rows, err := db.read(ctx, "SELECT "+strings.Join(columns, ", ")+", coalesce(a.key, ''), coalesce(a.urgency, 0), coalesce(a.planned, 0), coalesce(c.title, '') FROM attempts t "+
		"LEFT JOIN actions a ON a.id = t.action_id LEFT JOIN cases c ON c.id = t.case_id WHERE "+strings.Join(where, " AND ")+
		" ORDER BY t.began DESC, t.action_id DESC, t.n DESC LIMIT ?", append(args, limit(q.Limit))...)
	out, err := gather(rows, err, func(scan func(...any) error) (l cases.LedgerLine, err error) {
		var planned int64
		l.Attempt, err = scanAttempt(func(to ...any) error { return scan(append(to, &l.Key, &l.Urgency, &planned, &l.Title)...) })
		l.Planned = moment(planned)
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the ledger: %w", err)
	}
	return out, nil
}
