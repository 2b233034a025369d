package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/foreshock/foreshock/webhook/cases"
)

// shards is into how many rows the count of a slot is spread, so that receivers on one PostgreSQL seldom wait for each other.
const shards = 16

// tally counts observations by slot, decision and reason, as rows in one order, each once.
func tally(all []cases.Observation) [][]any {
	if len(all) == 0 {
		return nil
	}
	type key struct {
		slot             int64
		decision, reason string
	}
	n := map[key]int64{}
	for _, o := range all {
		n[key{micros(o.At.Truncate(cases.SlotLength)), o.Decision, o.Reason}]++
	}
	shard := int64(0)
	if random, err := rand.Int(rand.Reader, big.NewInt(shards)); err == nil {
		shard = random.Int64()
	}
	rows := make([][]any, 0, len(n))
	for k, n := range n {
		rows = append(rows, []any{k.slot, text(k.decision), text(k.reason), shard, n})
	}
	slices.SortFunc(rows, func(a, b []any) int { // locks are taken in one order
		return slices.Compare([]string{fmt.Sprint(a[0]), a[1].(string), a[2].(string)}, []string{fmt.Sprint(b[0]), b[1].(string), b[2].(string)})
	})
	return rows
}

// The queries of Statistics; each reads a range of an index.
const (
	tallyQuery = `SELECT slot, decision, reason, CAST(sum(n) AS BIGINT) FROM tallies WHERE slot >= ? AND slot < ?
		GROUP BY slot, decision, reason ORDER BY slot, decision, reason`
	courseQuery = `SELECT grade, opened_at, acked_at, resolved_at FROM cases WHERE opened_at >= ? AND opened_at < ? ORDER BY opened_at LIMIT ?`
	sendQuery   = `SELECT channel, began, ended, result FROM attempts WHERE began >= ? AND began < ? AND channel <> ? ORDER BY began LIMIT ?`
)

// Statistics reads what happened in a range. See Store.
func (db *DB) Statistics(ctx context.Context, since, until time.Time) (s cases.Statistics, err error) {
	fail := func(err error) (cases.Statistics, error) {
		return s, fmt.Errorf("reading statistics: %w", err)
	}
	from, to := micros(since), micros(until)
	rows, err := db.read(ctx, tallyQuery, from, to)
	s.Tallies, err = gather(rows, err, func(scan func(...any) error) (t cases.Tally, err error) {
		var slot int64
		err = scan(&slot, &t.Decision, &t.Reason, &t.N)
		t.Slot = moment(slot)
		return t, err
	})
	if err != nil {
		return fail(err)
	}
	rows, err = db.read(ctx, courseQuery, from, to, cases.MaxCourses+1)
	s.Courses, err = gather(rows, err, func(scan func(...any) error) (c cases.Course, err error) {
		var opened, acked, resolved int64
		err = scan(&c.Grade, &opened, &acked, &resolved)
		c.Opened, c.Acked, c.Resolved = moment(opened), moment(acked), moment(resolved)
		return c, err
	})
	if err != nil {
		return fail(err)
	}
	rows, err = db.read(ctx, sendQuery, from, to, cases.InternalChannel, cases.MaxSends+1)
	s.Sends, err = gather(rows, err, func(scan func(...any) error) (a cases.Send, err error) {
		var began, ended int64
		err = scan(&a.Channel, &began, &ended, &a.Result)
		a.Began, a.Ended = moment(began), moment(ended)
		return a, err
	})
	if err != nil {
		return fail(err)
	}
	if len(s.Courses) > cases.MaxCourses {
		s.Courses, s.Cut = s.Courses[:cases.MaxCourses], true
	}
	if len(s.Sends) > cases.MaxSends {
		s.Sends, s.Cut = s.Sends[:cases.MaxSends], true
	}
	return s, nil
}

// Messages reads the newest message of each channel about each case. See Store.
func (db *DB) Messages(ctx context.Context, caseIDs []string) (map[string][]cases.Action, error) {
	args := make([]any, len(caseIDs))
	for i, id := range caseIDs {
		args[i] = text(id)
	}
	out := map[string][]cases.Action{}
	for chunk := range db.padded(args) {
		rows, err := db.read(ctx, `SELECT id, case_id, kind, channel, state, outcome, updated_at, attempts FROM actions
			WHERE case_id IN (`+marks(len(chunk))+`) AND kind = ? ORDER BY planned, id`, append(chunk, text(cases.Notify))...)
		err = each(rows, err, func(scan func(...any) error) error {
			var a cases.Action
			var updated int64
			if err := scan(&a.ID, &a.CaseID, &a.Kind, &a.Channel, &a.State, &a.Outcome, &updated, &a.Attempts); err != nil {
				return err
			}
			a.UpdatedAt = moment(updated)
			i := slices.IndexFunc(out[a.CaseID], func(b cases.Action) bool { return b.Channel == a.Channel })
			if i < 0 {
				out[a.CaseID] = append(out[a.CaseID], a)
			} else {
				out[a.CaseID][i] = a
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading the messages of cases: %w", err)
		}
	}
	return out, nil
}

// Similar lists other cases of the same key or title. See Store.
func (db *DB) Similar(ctx context.Context, c cases.Case, n int) ([]cases.Case, error) {
	columns := list(caseKey + " " + caseColumns)
	rows, err := db.read(ctx, "SELECT "+columns+" FROM cases WHERE key = ? AND id <> ? UNION SELECT "+columns+" FROM cases WHERE title = ? AND id <> ? ORDER BY id DESC LIMIT ?",
		text(c.Key), text(c.ID), text(c.Title), text(c.ID), limit(n))
	out, err := gather(rows, err, scanCase)
	if err != nil {
		return nil, fmt.Errorf("listing cases similar to %q: %w", c.ID, err)
	}
	return out, nil
}

// Key is a random key that everybody on this store shares. See Store.
func (db *DB) Key(ctx context.Context, name string) ([]byte, error) {
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("making the key %s: %w", name, err)
	}
	var kept string
	err := db.writer.write(ctx, func(ctx context.Context, t tx) error {
		if _, err := t.exec(ctx, `INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, text("key/"+name), hex.EncodeToString(fresh)); err != nil {
			return err
		}
		rows, err := t.query(ctx, `SELECT value FROM meta WHERE name = ?`, text("key/"+name))
		return each(rows, err, func(scan func(...any) error) error { return scan(&kept) })
	})
	if err != nil {
		return nil, fmt.Errorf("reading the key %s: %w", name, err)
	}
	key, err := hex.DecodeString(kept)
	if err != nil || len(key) == 0 {
		return nil, errors.New("the stored key " + name + " cannot be read")
	}
	return key, nil
}
