package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// clockName is the row of meta that counts how often Shift moved something.
const clockName = "clock"

// Clock is the database's own time, zero when it has none but the process's, and
// how often Shift was done.
func (db *DB) Clock(ctx context.Context) (now time.Time, shifts int64, err error) {
	if db.dialect.name == "postgres" {
		var micro int64
		rows, err := db.read(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
		if err := each(rows, err, func(scan func(...any) error) error { return scan(&micro) }); err != nil {
			return now, 0, fmt.Errorf("reading the database's clock: %w", err)
		}
		now = moment(micro)
	}
	rows, err := db.read(ctx, "SELECT value FROM meta WHERE name = ?", clockName)
	var text string
	if err := each(rows, err, func(scan func(...any) error) error { return scan(&text) }); err != nil {
		return now, 0, fmt.Errorf("reading how often the clock jumped: %w", err)
	}
	if text != "" {
		if shifts, err = strconv.ParseInt(text, 10, 64); err != nil {
			return now, 0, fmt.Errorf("reading how often the clock jumped: %w", err)
		}
	}
	return now, shifts, nil
}

// Shift moves the due times of all that waits, and the times of open cases that
// are to come. See Store.
func (db *DB) Shift(ctx context.Context, by time.Duration, shifts int64) (moved, now int64, err error) {
	err = db.writer.write(ctx, func(ctx context.Context, t tx) error {
		moved = 0
		if _, err := t.exec(ctx, "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", clockName, "0"); err != nil {
			return err
		}
		n, err := t.exec(ctx, "UPDATE meta SET value = ? WHERE name = ? AND value = ?", strconv.FormatInt(shifts+1, 10), clockName, strconv.FormatInt(shifts, 10))
		if err != nil || n == 0 {
			return err // somebody else did it
		}
		if moved, err = t.exec(ctx, "UPDATE actions SET due = due + ? WHERE "+waiting, by.Microseconds()); err != nil {
			return err
		}
		for _, column := range []string{"last_beat", "last_seen", "silent"} {
			if _, err := t.exec(ctx, "UPDATE heartbeats SET "+column+" = "+column+" + ? WHERE "+column+" > 0", by.Microseconds()); err != nil {
				return err
			}
		}
		return shiftCases(ctx, t, by)
	})
	if err != nil {
		return 0, shifts, fmt.Errorf("moving what waits: %w", err)
	}
	_, now, err = db.Clock(ctx)
	return moved, now, err
}

// shiftCases moves the next step, the deadline and the end of the
// acknowledgement of open cases.
func shiftCases(ctx context.Context, t tx, by time.Duration) error {
	type row struct {
		id          string
		ladder, sla []byte
		expiry      int64
	}
	var all []row
	rows, err := t.query(ctx, "SELECT id, ladder, sla, ack_expiry FROM cases WHERE state NOT IN ('resolved', 'closed')")
	if err := each(rows, err, func(scan func(...any) error) error {
		var r row
		err := scan(&r.id, &r.ladder, &r.sla, &r.expiry)
		all = append(all, r)
		return err
	}); err != nil {
		return err
	}
	for _, r := range all {
		var ladder cases.Ladder
		var sla cases.Deadline
		if err := json.Unmarshal(r.ladder, &ladder); err != nil {
			return fmt.Errorf("decoding case %s: %w", r.id, err)
		}
		if err := json.Unmarshal(r.sla, &sla); err != nil {
			return fmt.Errorf("decoding case %s: %w", r.id, err)
		}
		for _, at := range []*time.Time{&ladder.Next, &sla.Since, &sla.Due} {
			if !at.IsZero() {
				*at = at.Add(by)
			}
		}
		if r.expiry != 0 {
			r.expiry += by.Microseconds()
		}
		newLadder, err := structure(ladder)
		if err != nil {
			return err
		}
		newSLA, err := structure(sla)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, "UPDATE cases SET ladder = ?, sla = ?, ack_expiry = ?, version = version + 1 WHERE id = ?", newLadder, newSLA, r.expiry, r.id); err != nil {
			return err
		}
	}
	return nil
}
