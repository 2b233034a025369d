package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
)

// Commit writes a change whole or not at all. See stage.Committer.
func (db *DB) Commit(ctx context.Context, ch cases.Change) error {
	p, err := pack(ch)
	if err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	if err := db.writer.write(ctx, p.apply); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// parcel is a change as rows: made once, outside of any transaction.
type parcel struct {
	delivery, body                           [][]any
	alerts, cases, events, actions, observed [][]any
	tallies                                  [][]any
	links, splits, mutes                     [][]any
	cancel                                   []cases.CancelActions
	once, relayed                            []string
	beats                                    []cases.Heartbeat
	unlink                                   []string
}

func pack(ch cases.Change) (parcel, error) {
	var p parcel
	if d := ch.Delivery; d != nil {
		m := d.Message
		p.delivery = [][]any{{
			d.ID, text(d.Cluster), text(m.Source), text(d.Sender), text(m.Receiver), text(m.GroupKey),
			micros(d.Received), int64(len(m.Alerts)), d.RawSize, number(d.RawCut),
		}}
		if d.Raw != nil {
			p.body = [][]any{{d.ID, micros(d.Received), d.Raw}}
		}
	}
	// Rows are locked in one order by everybody, so that nobody waits in a circle.
	ch.Alerts, ch.Cases = slices.Clone(ch.Alerts), slices.Clone(ch.Cases)
	slices.SortFunc(ch.Alerts, func(a, b cases.Alert) int { return a.Identity.Compare(b.Identity) })
	slices.SortFunc(ch.Cases, func(a, b cases.Case) int { return strings.Compare(a.ID, b.ID) })
	errs := []error{
		rowsOf(&p.alerts, ch.Alerts, alertRow),
		rowsOf(&p.cases, ch.Cases, caseRow),
		rowsOf(&p.actions, ch.Actions, actionRow),
	}
	for _, e := range ch.Events {
		p.events = append(p.events, eventRow(e))
	}
	for _, o := range ch.Observations {
		p.observed = append(p.observed, observationRow(o))
	}
	p.tallies = tally(ch.Observations)
	p.beats, p.once, p.relayed = ch.Beats, ch.Once, ch.Relayed
	p.cancel, p.unlink, p.links = ch.Cancel, ch.Unlink, linkRows(ch.Links)
	for _, s := range ch.Splits {
		p.splits = append(p.splits, []any{text(s.Alert), text(s.Key), text(s.By), micros(s.At)})
	}
	errs = append(errs, rowsOf(&p.mutes, ch.Mutes, muteRow))
	return p, errors.Join(errs...)
}

func rowsOf[T any](to *[][]any, from []T, row func(T) ([]any, error)) error {
	for _, v := range from {
		r, err := row(v)
		if err != nil {
			return err
		}
		*to = append(*to, r)
	}
	return nil
}

func (p parcel) apply(ctx context.Context, t tx) error {
	if err := firstTime(ctx, t, p.once); err != nil {
		return err
	}
	if err := relay(ctx, t, p.relayed); err != nil {
		return fmt.Errorf("marking actions: %w", err)
	}
	for _, v := range []struct {
		t    table
		rows [][]any
	}{{alertTable, p.alerts}, {caseTable, p.cases}} {
		n, err := v.t.insert(ctx, t, v.rows)
		if unique(err) || (err == nil && n != int64(len(v.rows))) {
			return cases.ErrConflict
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", v.t.name, err)
		}
	}
	for _, c := range p.cancel {
		if err := cancelActions(ctx, t, c); err != nil {
			return fmt.Errorf("cancelling actions: %w", err)
		}
	}
	for _, b := range p.beats {
		if err := beat(ctx, t, b, latest); err != nil {
			return fmt.Errorf("writing a sign of life: %w", err)
		}
	}
	for _, id := range p.unlink {
		if _, err := t.exec(ctx, `DELETE FROM links WHERE case_id = ?`, id); err != nil {
			return fmt.Errorf("removing links: %w", err)
		}
	}
	if _, err := linkTables[t.dialectName()].insert(ctx, t, p.links); err != nil {
		return fmt.Errorf("writing links: %w", err)
	}
	for _, v := range []struct {
		t    table
		rows [][]any
	}{
		{deliveryTable, p.delivery},
		{bodyTable, p.body},
		{eventTable, p.events},
		{actionTable, p.actions},
		{observeTable, p.observed},
		{tallyTable, p.tallies},
		{splitTable, p.splits},
		{muteTable, p.mutes},
	} {
		if _, err := v.t.insert(ctx, t, v.rows); err != nil {
			return fmt.Errorf("writing %s: %w", v.t.name, err)
		}
	}
	return nil
}

// cancelActions calls off what waits, with a line in the timeline each.
func cancelActions(ctx context.Context, t tx, c cases.CancelActions) error {
	query := `UPDATE actions SET state = 'done', outcome = 'cancelled', updated_at = ?, last_error = ?
		WHERE case_id = ? AND state IN ('due', 'retry', 'unknown')`
	args := []any{micros(c.At), text(c.Reason), c.CaseID}
	if len(c.Kinds) > 0 {
		query += " AND kind IN (" + marks(len(c.Kinds)) + ")"
		for _, k := range c.Kinds {
			args = append(args, text(k))
		}
	}
	if len(c.While) > 0 {
		query += " AND only_while IN (" + marks(len(c.While)) + ")"
		for _, w := range c.While {
			args = append(args, text(w))
		}
	}
	rows, err := t.query(ctx, query+" RETURNING id, channel", args...)
	var events [][]any
	err = each(rows, err, func(scan func(...any) error) error {
		e := cases.Event{CaseID: c.CaseID, At: c.At, Kind: cases.Cancelled, Actor: cases.System, Note: c.Reason}
		err := scan(&e.ActionID, &e.Channel)
		events = append(events, eventRow(e))
		return err
	})
	if err != nil {
		return err
	}
	_, err = eventTable.insert(ctx, t, events)
	return err
}

// unique reports whether a unique index refused a row: two receivers opened a
// case of the same key at the same time.
func unique(err error) bool {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code == "23505"
	}
	var se *sqlite.Error
	if errors.As(err, &se) {
		return se.Code() == 2067 || se.Code() == 1555 // SQLITE_CONSTRAINT_UNIQUE, …_PRIMARYKEY
	}
	return false
}

// Prior reads what is known before a decision. See stage.Reader.
func (db *DB) Prior(ctx context.Context, ids []alert.Identity, keys []string) (cases.Prior, error) {
	p := cases.Prior{Alerts: map[alert.Identity]cases.Alert{}, Cases: map[string]cases.Case{}, ByKey: map[string]string{}}
	if err := db.priorAlerts(ctx, ids, &p); err != nil {
		return p, fmt.Errorf("reading alerts: %w", err)
	}
	var caseIDs []string
	for _, a := range p.Alerts {
		if a.CaseID != "" {
			caseIDs = append(caseIDs, a.CaseID)
		}
	}
	slices.Sort(caseIDs)
	if err := db.priorCases(ctx, "id IN", slices.Compact(caseIDs), &p); err != nil {
		return p, fmt.Errorf("reading cases: %w", err)
	}
	if err := db.priorCases(ctx, "state <> 'closed' AND key IN", keys, &p); err != nil {
		return p, fmt.Errorf("reading cases by key: %w", err)
	}
	for _, c := range p.Cases {
		if c.State != cases.Closed {
			p.ByKey[c.Key] = c.ID
		}
	}
	return p, nil
}

func (db *DB) priorAlerts(ctx context.Context, ids []alert.Identity, p *cases.Prior) error {
	byCluster := map[string][]any{}
	for _, id := range ids {
		byCluster[id.Cluster] = append(byCluster[id.Cluster], text(id.Fingerprint))
	}
	for cluster, fingerprints := range byCluster {
		for chunk := range db.padded(fingerprints) {
			rows, err := db.ask(ctx, "SELECT "+list(alertKey+" "+alertColumns)+" FROM alerts WHERE cluster = ? AND fingerprint IN ("+
				marks(len(chunk))+")", append([]any{text(cluster)}, chunk...)...)
			if err := each(rows, err, func(scan func(...any) error) error {
				a, err := scanAlert(scan)
				p.Alerts[a.Identity] = a
				return err
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (db *DB) priorCases(ctx context.Context, where string, values []string, p *cases.Prior) error {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = text(v)
	}
	for chunk := range db.padded(args) {
		rows, err := db.ask(ctx, "SELECT "+list(caseKey+" "+caseColumns)+" FROM cases WHERE "+where+" ("+marks(len(chunk))+")", chunk...)
		if err := each(rows, err, func(scan func(...any) error) error {
			c, err := scanCase(scan)
			p.Cases[c.ID] = c
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// padded cuts values into chunks of 1, 4, 16, 64, and of 256 where the database is
// a network away, the last one filled up by repeating its last value, so that
// there are few different statements.
func (db *DB) padded(values []any) func(func([]any) bool) {
	most := 256
	if db.dialect.name == "sqlite" {
		most = 64 // see maxArgs
	}
	return func(yield func([]any) bool) {
		for len(values) > 0 {
			n := 1
			for n < len(values) && n < most {
				n *= 4
			}
			chunk := slices.Clone(values[:min(n, len(values))])
			values = values[len(chunk):]
			for len(chunk) < n {
				chunk = append(chunk, chunk[len(chunk)-1])
			}
			if !yield(chunk) {
				return
			}
		}
	}
}

func list(columns string) string { return strings.Join(strings.Fields(columns), ", ") }
