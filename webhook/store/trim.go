package store

import (
	"context"
	"fmt"
	"time"
)

// trimStep is how many deliveries or cases one transaction deletes, so that
// deliveries never wait long behind it.
const trimStep = 200

// Trim deletes what is older than asked. See Store.
func (db *DB) Trim(ctx context.Context, r Retention) (int64, error) {
	var sum int64
	for _, s := range []struct {
		before time.Time
		find   string
		remove []string
	}{
		{r.Bodies, `SELECT delivery_id FROM bodies WHERE received < ? LIMIT ?`, []string{`DELETE FROM bodies WHERE delivery_id = ?`}},
		{r.Deliveries, `SELECT id FROM deliveries WHERE received < ? LIMIT ?`, []string{
			`DELETE FROM bodies WHERE delivery_id = ?`, `DELETE FROM observations WHERE delivery_id = ?`, `DELETE FROM deliveries WHERE id = ?`,
		}},
		{r.Reviews, `SELECT id FROM actions WHERE state = 'done' AND kind = 'review' AND updated_at < ? LIMIT ?`, []string{
			`DELETE FROM attempts WHERE action_id = ?`, `DELETE FROM actions WHERE id = ? AND state = 'done'`,
		}},
		{r.Once, `SELECT name FROM once WHERE at < ? LIMIT ?`, []string{`DELETE FROM once WHERE name = ?`}},
		{r.Cases, `SELECT id FROM cases WHERE state = 'closed' AND closed_at < ?
			AND NOT EXISTS (SELECT 1 FROM actions WHERE case_id = cases.id AND state IN ('due', 'retry', 'unknown', 'running')) LIMIT ?`, []string{
			`DELETE FROM attempts WHERE case_id = ?`, `DELETE FROM actions WHERE case_id = ?`, `DELETE FROM events WHERE case_id = ?`,
			`DELETE FROM alerts WHERE case_id = ?`, `DELETE FROM cases WHERE id = ? AND state = 'closed'`,
		}},
	} {
		for found := !s.before.IsZero(); found; {
			var n int64
			var err error
			if found, n, err = db.trimSome(ctx, s.before, s.find, s.remove); err != nil {
				return sum, fmt.Errorf("deleting what is old: %w", err)
			}
			sum += n
		}
	}
	for _, s := range []struct {
		before time.Time
		remove string
	}{
		{r.Cases, `DELETE FROM tallies WHERE slot < ?`},
		{r.Cases, `DELETE FROM mutes WHERE ends < ?`},
		{r.Cases, `DELETE FROM splits WHERE at < ?`},
		{r.Cases, `DELETE FROM overrides WHERE ends < ?`},
		{r.Cases, `DELETE FROM events WHERE case_id = '' AND at < ?`},
		{r.Links, `DELETE FROM links WHERE to_at < ?`},
	} {
		if s.before.IsZero() {
			continue
		}
		var n int64
		err := db.writer.write(ctx, func(ctx context.Context, t tx) (err error) {
			n, err = t.exec(ctx, s.remove, micros(s.before))
			return err
		})
		if err != nil {
			return sum, fmt.Errorf("deleting what is old: %w", err)
		}
		sum += n
	}
	return sum, nil
}

// trimSome removes the rows of at most trimStep of what find finds.
func (db *DB) trimSome(ctx context.Context, before time.Time, find string, remove []string) (found bool, n int64, err error) {
	err = db.writer.write(ctx, func(ctx context.Context, t tx) error {
		var ids []string
		rows, err := t.query(ctx, find, micros(before), trimStep)
		err = each(rows, err, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return err
		}
		found, n = len(ids) > 0, 0
		for _, query := range remove {
			for _, id := range ids {
				w, err := t.exec(ctx, query, id)
				if err != nil {
					return err
				}
				n += w
			}
		}
		return nil
	})
	return found, n, err
}
