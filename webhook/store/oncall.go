package store

import (
	"context"
	"fmt"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// columns of the tables of on-call overrides and of signs of life.
const (
	overrideColumns  = "id schedule person starts ends by_whom note given"
	heartbeatColumns = "watchdog cluster last_beat last_seen silent"
)

// Overrides lists those that end after a moment, in the order in which they were
// given.
func (db *DB) Overrides(ctx context.Context, after time.Time) ([]cases.Override, error) {
	rows, err := db.read(ctx, "SELECT "+list(overrideColumns)+" FROM overrides WHERE ends > ? ORDER BY given, id", micros(after))
	out, err := gather(rows, err, func(scan func(...any) error) (o cases.Override, err error) {
		var from, until, given int64
		err = scan(&o.ID, &o.Schedule, &o.Person, &from, &until, &o.By, &o.Note, &given)
		o.From, o.Until, o.Given = moment(from), moment(until), moment(given)
		return o, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing overrides: %w", err)
	}
	return out, nil
}

// Override stores an override, and the line of the audit log with it.
func (db *DB) Override(ctx context.Context, o cases.Override, e cases.Event) error {
	return db.service(ctx, "storing an override", e, func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, "INSERT INTO overrides ("+list(overrideColumns)+") VALUES ("+marks(8)+")",
			o.ID, text(o.Schedule), text(o.Person), micros(o.From), micros(o.Until), text(o.By), text(o.Note), micros(o.Given))
		return err
	})
}

// EndOverride ends an override now: what of it lies in the future is gone.
// cases.ErrNotFound when there is none of that ID that has not ended.
func (db *DB) EndOverride(ctx context.Context, id string, now time.Time, e cases.Event) error {
	return db.service(ctx, "ending an override", e, func(ctx context.Context, t tx) error {
		n, err := t.exec(ctx, "UPDATE overrides SET ends = ? WHERE id = ? AND ends > ?", micros(now), text(id), micros(now))
		if err == nil && n == 0 {
			err = cases.ErrNotFound
		}
		return err
	})
}

// service writes something that belongs to no case, with its event.
func (db *DB) service(ctx context.Context, what string, e cases.Event, f func(context.Context, tx) error) error {
	err := db.writer.write(ctx, func(ctx context.Context, t tx) error {
		if err := f(ctx, t); err != nil {
			return err
		}
		_, err := eventTable.insert(ctx, t, [][]any{eventRow(e)})
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// audited are the changes of state, owner and grade, and everything that a person
// did; the partial index has the same words.
const audited = "(kind IN ('state', 'assigned', 'graded') OR via <> '')"

// Audit lists who changed what, newest first.
func (db *DB) Audit(ctx context.Context, q cases.AuditQuery) ([]cases.Event, error) {
	where, args := audited, []any{}
	add := func(cond string, v any) {
		where += " AND " + cond
		args = append(args, v)
	}
	if q.Actor != "" {
		add("actor = ?", text(q.Actor))
	}
	if q.CaseID != "" {
		add("case_id = ?", text(q.CaseID))
	}
	if !q.Since.IsZero() {
		add("at >= ?", micros(q.Since))
	}
	if !q.Until.IsZero() {
		add("at < ?", micros(q.Until))
	}
	if q.Before > 0 {
		add("id < ?", q.Before)
	}
	rows, err := db.read(ctx, "SELECT id, "+list(eventColumns)+" FROM events WHERE "+where+" ORDER BY id DESC LIMIT ?", append(args, limit(q.Limit))...)
	out, err := gather(rows, err, scanEvent)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return out, nil
}

// Heartbeats lists the signs of life of all watchdogs.
func (db *DB) Heartbeats(ctx context.Context) ([]cases.Heartbeat, error) {
	rows, err := db.read(ctx, "SELECT "+list(heartbeatColumns)+" FROM heartbeats ORDER BY watchdog, cluster")
	out, err := gather(rows, err, func(scan func(...any) error) (h cases.Heartbeat, err error) {
		var beat, seen, silent int64
		err = scan(&h.Watchdog, &h.Cluster, &beat, &seen, &silent)
		h.LastBeat, h.LastSeen, h.Silent = moment(beat), moment(seen), moment(silent)
		return h, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading signs of life: %w", err)
	}
	return out, nil
}

// Silent notes since when a watchdog is silent; zero: it is not.
func (db *DB) Silent(ctx context.Context, h cases.Heartbeat) error {
	err := db.writer.write(ctx, func(ctx context.Context, t tx) error {
		return beat(ctx, t, h, "silent = excluded.silent")
	})
	if err != nil {
		return fmt.Errorf("noting a silence: %w", err)
	}
	return nil
}

// beat writes a row of signs of life; set says what becomes of one that exists.
func beat(ctx context.Context, t tx, h cases.Heartbeat, set string) error {
	_, err := t.exec(ctx, "INSERT INTO heartbeats ("+list(heartbeatColumns)+") VALUES ("+marks(5)+") ON CONFLICT (watchdog, cluster) DO UPDATE SET "+set,
		text(h.Watchdog), text(h.Cluster), micros(h.LastBeat), micros(h.LastSeen), micros(h.Silent))
	return err
}

// latest keeps the newest of both times, so that the order of deliveries does
// not matter.
const latest = "last_beat = CASE WHEN excluded.last_beat > heartbeats.last_beat THEN excluded.last_beat ELSE heartbeats.last_beat END, " +
	"last_seen = CASE WHEN excluded.last_seen > heartbeats.last_seen THEN excluded.last_seen ELSE heartbeats.last_seen END"
