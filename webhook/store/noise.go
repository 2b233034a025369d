package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// linkColumns in the order in which rows are written and read.
const linkColumns = "kind key case_id from_at to_at n detail lead"

// linkTables join a link with the stored one of the same key. The two databases
// name the smaller and the larger of two numbers differently.
var linkTables = map[string]table{
	"sqlite":   linkTable("min", "max"),
	"postgres": linkTable("LEAST", "GREATEST"),
}

func linkTable(least, greatest string) table {
	return newTable("links", linkColumns, "ON CONFLICT (kind, key, case_id) DO UPDATE SET from_at = "+least+"(links.from_at, excluded.from_at), to_at = "+
		greatest+"(links.to_at, excluded.to_at), n = links.n + excluded.n")
}

// linkRows joins the links of one change, and sorts them so that everybody locks
// rows in one order.
func linkRows(links []cases.Link) [][]any {
	byKey := func(a, b *cases.Link) int {
		if c := strings.Compare(a.Kind, b.Kind); c != 0 {
			return c
		}
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return strings.Compare(a.CaseID, b.CaseID)
	}
	order := make([]int, len(links)) // links are large: their positions are sorted
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		if c := byKey(&links[i], &links[j]); c != 0 {
			return c
		}
		return i - j
	})
	rows := make([][]any, 0, len(links))
	for n := 0; n < len(order); {
		l := links[order[n]]
		for n++; n < len(order) && byKey(&l, &links[order[n]]) == 0; n++ {
			l = join(l, links[order[n]])
		}
		rows = append(rows, []any{text(l.Kind), text(l.Key), l.CaseID, micros(l.From), micros(l.To), l.N, text(l.Detail), text(l.Lead)})
	}
	return rows
}

func join(a, b cases.Link) cases.Link {
	if b.From.Before(a.From) {
		a.From = b.From
	}
	if b.To.After(a.To) {
		a.To = b.To
	}
	a.N += b.N
	return a
}

// Links reads links. See Store.
func (db *DB) Links(ctx context.Context, q cases.LinkQuery) ([]cases.Link, error) {
	var out []cases.Link
	args := make([]any, len(q.Keys))
	for i, k := range q.Keys {
		args[i] = text(k)
	}
	seen := map[string]bool{} // chunks repeat their last key
	for chunk := range db.padded(args) {
		rows, err := db.ask(ctx, "SELECT "+list(linkColumns)+" FROM links WHERE kind = ? AND to_at >= ? AND key IN ("+marks(len(chunk))+")",
			append([]any{text(q.Kind), micros(q.Since)}, chunk...)...)
		err = each(rows, err, func(scan func(...any) error) error {
			var l cases.Link
			var from, to int64
			if err := scan(&l.Kind, &l.Key, &l.CaseID, &from, &to, &l.N, &l.Detail, &l.Lead); err != nil {
				return err
			}
			l.From, l.To = moment(from), moment(to)
			if k := l.Key + "\x00" + l.CaseID; !seen[k] {
				seen[k] = true
				out = append(out, l)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading links: %w", err)
		}
	}
	slices.SortFunc(out, func(a, b cases.Link) int { return cmp.Or(cmp.Compare(a.CaseID, b.CaseID), cmp.Compare(a.Key, b.Key)) })
	return out, nil
}

// CasesByID reads cases; unknown IDs are left out. See Store.
func (db *DB) CasesByID(ctx context.Context, ids []string) (map[string]cases.Case, error) {
	p := cases.Prior{Cases: map[string]cases.Case{}}
	if err := db.priorCases(ctx, "id IN", ids, &p); err != nil {
		return nil, fmt.Errorf("reading cases: %w", err)
	}
	return p.Cases, nil
}

// Members reads the alerts of a case. See Store.
func (db *DB) Members(ctx context.Context, caseID string, most int) ([]cases.Alert, error) {
	rows, err := db.read(ctx, "SELECT "+list(alertKey+" "+alertColumns)+" FROM alerts WHERE case_id = ? "+
		`ORDER BY CASE WHEN noise LIKE '%"flappingSince":%' OR noise LIKE '%"owed":%' THEN 0 ELSE 1 END, status, cluster, fingerprint LIMIT ?`,
		text(caseID), int64(most))
	out, err := gather(rows, err, scanAlert)
	if err != nil {
		return nil, fmt.Errorf("reading the alerts of case %q: %w", caseID, err)
	}
	return out, nil
}

// Splits reads what people took apart. See Store.
func (db *DB) Splits(ctx context.Context, alerts []string) ([]cases.Split, error) {
	var out []cases.Split
	args := make([]any, len(alerts))
	for i, a := range alerts {
		args[i] = text(a)
	}
	for chunk := range db.padded(args) {
		rows, err := db.ask(ctx, "SELECT alert, key, by, at FROM splits WHERE alert IN ("+marks(len(chunk))+")", chunk...)
		err = each(rows, err, func(scan func(...any) error) error {
			var s cases.Split
			var at int64
			err := scan(&s.Alert, &s.Key, &s.By, &at)
			s.At = moment(at)
			out = append(out, s)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading splits: %w", err)
		}
	}
	return out, nil
}

func muteRow(m cases.MuteOrder) ([]any, error) {
	body, err := structure(m)
	return []any{m.ID, micros(m.Ends), text(body)}, err
}

// Mutes reads the mutes by command that end after a time. See Store.
func (db *DB) Mutes(ctx context.Context, after time.Time) ([]cases.MuteOrder, error) {
	rows, err := db.ask(ctx, "SELECT body FROM mutes WHERE ends > ? ORDER BY ends, id LIMIT 1000", micros(after))
	out, err := gather(rows, err, func(scan func(...any) error) (m cases.MuteOrder, err error) {
		var body []byte
		if err := scan(&body); err != nil {
			return m, err
		}
		return m, json.Unmarshal(body, &m)
	})
	if err != nil {
		return nil, fmt.Errorf("reading mutes: %w", err)
	}
	return out, nil
}

// Mute reads one mute by command; cases.ErrNotFound. See Store.
func (db *DB) Mute(ctx context.Context, id string) (cases.MuteOrder, error) {
	rows, err := db.read(ctx, "SELECT body FROM mutes WHERE id = ?", text(id))
	var m cases.MuteOrder
	found := false
	err = each(rows, err, func(scan func(...any) error) error {
		var body []byte
		found = true
		if err := scan(&body); err != nil {
			return err
		}
		return json.Unmarshal(body, &m)
	})
	if err == nil && !found {
		err = cases.ErrNotFound
	}
	if err != nil {
		return m, fmt.Errorf("reading mute %q: %w", id, err)
	}
	return m, nil
}

// AlertsLike lists the newest alerts of a fingerprint in any cluster. See Store.
func (db *DB) AlertsLike(ctx context.Context, fingerprint string) ([]cases.Alert, error) {
	rows, err := db.read(ctx, "SELECT "+list(alertKey+" "+alertColumns)+" FROM alerts WHERE fingerprint = ? ORDER BY last_seen DESC LIMIT 100", text(fingerprint))
	out, err := gather(rows, err, scanAlert)
	if err != nil {
		return nil, fmt.Errorf("reading alerts: %w", err)
	}
	return out, nil
}

// Alerts lists alerts, those seen last first: all, or those that fire. See Store.
func (db *DB) Alerts(ctx context.Context, status alert.Status, most int) ([]cases.Alert, error) {
	where, args := "", []any{}
	if status != "" {
		where, args = "WHERE status = ?", append(args, text(status))
	}
	rows, err := db.read(ctx, "SELECT "+list(alertKey+" "+alertColumns)+" FROM alerts "+where+" ORDER BY last_seen DESC LIMIT ?", append(args, int64(most))...)
	out, err := gather(rows, err, scanAlert)
	if err != nil {
		return nil, fmt.Errorf("reading alerts: %w", err)
	}
	return out, nil
}
