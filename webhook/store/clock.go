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

// Shift moves the due times of all that waits, the times of cases that are to
// come, and when destinations take messages again. See Store.
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
		if err := shiftBuckets(ctx, t, by); err != nil {
			return err
		}
		return shiftCases(ctx, t, by)
	})
	if err != nil {
		return 0, shifts, fmt.Errorf("moving what waits: %w", err)
	}
	_, now, err = db.Clock(ctx)
	return moved, now, err
}

// shiftBuckets moves what was spent, and until when a destination wants silence.
func shiftBuckets(ctx context.Context, t tx, by time.Duration) error {
	rows, err := t.query(ctx, "SELECT name FROM buckets ORDER BY name")
	names, err := gather(rows, err, func(scan func(...any) error) (name string, err error) { return name, scan(&name) })
	if err != nil {
		return err
	}
	for _, name := range names {
		b, err := readBucket(ctx, t.query, name)
		if err != nil {
			return err
		}
		for i := range b.Spent {
			b.Spent[i].At = b.Spent[i].At.Add(by)
		}
		if !b.Blocked.IsZero() {
			b.Blocked = b.Blocked.Add(by)
		}
		if err := saveBucket(ctx, t, b); err != nil {
			return err
		}
	}
	return nil
}

// shiftCases moves the next step, the deadline and the end of the
// acknowledgement of open cases, and the next review of all that may have one:
// the end of a resolved case may be held back. The end of a mute stays: it is a
// time by the clock.
func shiftCases(ctx context.Context, t tx, by time.Duration) error {
	type row struct {
		id, state          string
		ladder, sla, noise []byte
		expiry             int64
	}
	var all []row
	rows, err := t.query(ctx, "SELECT id, state, ladder, sla, noise, ack_expiry FROM cases WHERE state <> 'closed'")
	if err := each(rows, err, func(scan func(...any) error) error {
		var r row
		err := scan(&r.id, &r.state, &r.ladder, &r.sla, &r.noise, &r.expiry)
		all = append(all, r)
		return err
	}); err != nil {
		return err
	}
	for _, r := range all {
		c := cases.Case{ID: r.id, State: cases.State(r.state), AckExpiry: moment(r.expiry)}
		for _, f := range []struct {
			from []byte
			to   any
		}{{r.ladder, &c.Ladder}, {r.sla, &c.SLA}, {r.noise, &c.CaseNoise}} {
			if err := json.Unmarshal(f.from, f.to); err != nil {
				return fmt.Errorf("decoding case %s: %w", r.id, err)
			}
		}
		if !c.Open() && c.NextReview.IsZero() {
			continue // nothing of it waits
		}
		if err := shiftCase(ctx, t, c, by); err != nil {
			return err
		}
	}
	return nil
}

func shiftCase(ctx context.Context, t tx, c cases.Case, by time.Duration) error {
	times := []*time.Time{&c.NextReview, &c.HeldUntil}
	if c.Open() {
		times = append(times, &c.Ladder.Next, &c.SLA.Since, &c.SLA.Due, &c.AckExpiry)
	}
	for _, at := range times {
		if !at.IsZero() {
			*at = at.Add(by)
		}
	}
	ladder, err := structure(c.Ladder)
	if err != nil {
		return err
	}
	sla, err := structure(c.SLA)
	if err != nil {
		return err
	}
	noise, err := structure(c.CaseNoise)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "UPDATE cases SET ladder = ?, sla = ?, noise = ?, ack_expiry = ?, version = version + 1 WHERE id = ?", ladder, sla, text(noise), micros(c.AckExpiry), c.ID)
	return err
}
