package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

// maxStory bounds each list of a Story.
const maxStory = 1000

// maxBody bounds what a stored body is unpacked to.
const maxBody = 256 << 20

// limit is n, with a default and a bound.
func limit(n int) int64 {
	if n <= 0 {
		return 100
	}
	return int64(min(n, 1000))
}

// Cases lists cases, newest first. See Store.
func (db *DB) Cases(ctx context.Context, q cases.Query) ([]cases.Case, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(cond string, values ...any) {
		where, args = append(where, cond), append(args, values...)
	}
	if len(q.States) > 0 {
		add("state IN (" + marks(len(q.States)) + ")")
		for _, s := range q.States {
			args = append(args, text(s))
		}
	}
	if len(q.Grades) > 0 {
		add("grade IN (" + marks(len(q.Grades)) + ")")
		for _, g := range q.Grades {
			args = append(args, int64(g))
		}
	}
	if q.Cluster != "" {
		add("cluster = ?", text(q.Cluster))
	}
	if q.Text != "" {
		like := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(text(q.Text))) + "%"
		add(`(lower(title) LIKE ? ESCAPE '\' OR lower(labels) LIKE ? ESCAPE '\')`, like, like)
	}
	if !q.Since.IsZero() {
		add("updated_at >= ?", micros(q.Since))
	}
	if !q.Until.IsZero() {
		add("updated_at < ?", micros(q.Until))
	}
	order := "id DESC"
	switch grade, id, ok := cases.Urgency(q.Before); {
	case q.Order == cases.ByUrgency:
		order = "grade, id DESC"
		if !slices.ContainsFunc(q.States, func(s cases.State) bool { return !(cases.Case{State: s}).Open() }) && len(q.States) > 0 {
			add("state NOT IN ('resolved', 'closed')") // the words of the index
		}
		if ok {
			add("(grade > ? OR (grade = ? AND id < ?))", int64(grade), int64(grade), text(id))
		}
	case q.Before != "":
		add("id < ?", text(q.Before))
	}
	rows, err := db.read(ctx, "SELECT "+list(caseKey+" "+caseColumns)+" FROM cases WHERE "+strings.Join(where, " AND ")+
		" ORDER BY "+order+" LIMIT ?", append(args, limit(q.Limit))...)
	out, err := gather(rows, err, scanCase)
	if err != nil {
		return nil, fmt.Errorf("listing cases: %w", err)
	}
	return out, nil
}

// Case reads one case. See Store.
func (db *DB) Case(ctx context.Context, caseID string) (cases.Case, error) {
	c, err := db.oneCase(ctx, text(caseID))
	if err != nil {
		return c, fmt.Errorf("reading case %q: %w", caseID, err)
	}
	return c, nil
}

func (db *DB) oneCase(ctx context.Context, id string) (cases.Case, error) {
	rows, err := db.read(ctx, "SELECT "+list(caseKey+" "+caseColumns)+" FROM cases WHERE id = ?", id)
	found, err := gather(rows, err, scanCase)
	if err != nil {
		return cases.Case{}, err
	}
	if len(found) == 0 {
		return cases.Case{}, cases.ErrNotFound
	}
	return found[0], nil
}

// Story reads one case with everything. See Store.
func (db *DB) Story(ctx context.Context, caseID string) (cases.Story, error) {
	s, err := db.story(ctx, text(caseID))
	if err != nil {
		return s, fmt.Errorf("reading case %q: %w", caseID, err)
	}
	return s, nil
}

// unseen are reviews that were carried out: there is one a minute while a case is muted or flaps, and messages would fall off behind them.
const unseen = "state = 'done' AND kind = 'review'"

func (db *DB) story(ctx context.Context, id string) (s cases.Story, err error) {
	if s.Case, err = db.oneCase(ctx, id); err != nil {
		return s, err
	}
	rows, err := db.read(ctx, "SELECT "+list(alertKey+" "+alertColumns)+" FROM alerts WHERE case_id = ? ORDER BY status, cluster, fingerprint LIMIT ?", id, maxStory)
	if s.Alerts, err = gather(rows, err, scanAlert); err != nil {
		return s, err
	}
	rows, err = db.read(ctx, "SELECT id, "+list(eventColumns)+" FROM events WHERE case_id = ? ORDER BY id DESC LIMIT ?", id, maxStory)
	if s.Events, err = gather(rows, err, scanEvent); err != nil {
		return s, err
	}
	slices.Reverse(s.Events)
	rows, err = db.read(ctx, "SELECT "+list(actionColumns)+" FROM actions WHERE case_id = ? AND NOT ("+unseen+") ORDER BY id DESC LIMIT ?", id, maxStory)
	if s.Actions, err = gather(rows, err, scanAction); err != nil {
		return s, err
	}
	slices.Reverse(s.Actions)
	rows, err = db.read(ctx, "SELECT "+list(attemptColumns)+` FROM attempts WHERE case_id = ? AND NOT (channel = 'internal' AND EXISTS (
		SELECT 1 FROM actions WHERE actions.id = attempts.action_id AND `+unseen+`)) ORDER BY began DESC, n DESC LIMIT ?`, id, maxStory)
	if s.Attempts, err = gather(rows, err, scanAttempt); err != nil {
		return s, err
	}
	slices.SortFunc(s.Attempts, func(a, b cases.Attempt) int {
		if c := strings.Compare(a.ActionID, b.ActionID); c != 0 {
			return c
		}
		return a.N - b.N
	})
	return s, nil
}

// Deliveries lists deliveries, newest first. See Store.
func (db *DB) Deliveries(ctx context.Context, before string, n int) ([]cases.DeliveryInfo, error) {
	where, args := "", []any{}
	if before != "" {
		where, args = "WHERE id < ?", append(args, text(before))
	}
	rows, err := db.read(ctx, `SELECT id, cluster, source, sender, receiver, group_key, received, alerts, raw_size, raw_cut,
		CASE WHEN EXISTS (SELECT 1 FROM bodies WHERE delivery_id = deliveries.id) THEN 1 ELSE 0 END
		FROM deliveries `+where+` ORDER BY id DESC LIMIT ?`, append(args, limit(n))...)
	out, err := gather(rows, err, func(scan func(...any) error) (d cases.DeliveryInfo, err error) {
		var received, cut, has int64
		err = scan(&d.ID, &d.Cluster, &d.Source, &d.Sender, &d.Receiver, &d.GroupKey, &received, &d.Alerts, &d.RawSize, &cut, &has)
		d.Received, d.RawCut, d.HasRaw = moment(received), cut != 0, has != 0
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing deliveries: %w", err)
	}
	return out, nil
}

// Body is a delivery's raw body. See Store.
func (db *DB) Body(ctx context.Context, deliveryID string) (body []byte, cut bool, err error) {
	rows, err := db.read(ctx, "SELECT b.raw, d.raw_cut FROM bodies b JOIN deliveries d ON d.id = b.delivery_id WHERE b.delivery_id = ?", text(deliveryID))
	var raw []byte
	var flag int64
	if err := each(rows, err, func(scan func(...any) error) error { return scan(&raw, &flag) }); err != nil {
		return nil, false, fmt.Errorf("reading the body of %q: %w", deliveryID, err)
	}
	if raw == nil {
		return nil, false, fmt.Errorf("the body of delivery %q: %w", deliveryID, cases.ErrNotFound)
	}
	if body, err = alert.Unpack(raw, maxBody); err != nil {
		return nil, false, fmt.Errorf("unpacking the body of %q: %w", deliveryID, err)
	}
	return body, flag != 0, nil
}

// Observations lists what was decided about an alert. See Store.
func (db *DB) Observations(ctx context.Context, id alert.Identity, n int) ([]cases.Observation, error) {
	rows, err := db.read(ctx, "SELECT "+list(observeColumns)+" FROM observations WHERE cluster = ? AND fingerprint = ? ORDER BY at DESC, delivery_id DESC, n DESC LIMIT ?",
		text(id.Cluster), text(id.Fingerprint), limit(n))
	out, err := gather(rows, err, func(scan func(...any) error) (o cases.Observation, err error) {
		var starts, ends, at int64
		err = scan(&o.DeliveryID, &o.N, &o.Identity.Cluster, &o.Identity.Fingerprint, &o.Status, &starts, &ends, &at, &o.Decision, &o.Reason, &o.Note, &o.CaseID)
		o.StartsAt, o.EndsAt, o.At = moment(starts), moment(ends), moment(at)
		return o, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing what was decided about %s: %w", id, err)
	}
	return out, nil
}

// Each of these reads one index and no row.
const (
	countCases   = "SELECT state, count(*) FROM cases GROUP BY state"
	countGrades  = "SELECT grade, count(*) FROM cases WHERE state NOT IN ('resolved', 'closed') GROUP BY grade"
	countActions = "SELECT state, count(*) FROM actions GROUP BY state"
)

// Counts reads totals. See Store.
func (db *DB) Counts(ctx context.Context) (cases.Counts, error) {
	c := cases.Counts{Cases: map[cases.State]int{}, OpenGrades: map[policy.Grade]int{}, Actions: map[cases.ActionState]int{}}
	for _, s := range cases.States() {
		c.Cases[s] = 0
	}
	for _, g := range policy.Grades() {
		c.OpenGrades[g] = 0
	}
	for _, s := range cases.ActionStates() {
		c.Actions[s] = 0
	}
	var oldest *int64
	var n int
	var state cases.State
	var grade policy.Grade
	var action cases.ActionState
	steps := []struct {
		query string
		row   func(scan func(...any) error) error
	}{
		{countCases, func(scan func(...any) error) error {
			err := scan(&state, &n)
			c.Cases[state] = n
			return err
		}},
		{countGrades, func(scan func(...any) error) error {
			err := scan(&grade, &n)
			c.OpenGrades[grade] = n
			return err
		}},
		{countActions, func(scan func(...any) error) error {
			err := scan(&action, &n)
			c.Actions[action] = n
			return err
		}},
		{"SELECT count(*) FROM alerts WHERE status = 'firing'", func(scan func(...any) error) error { return scan(&c.Firing) }},
		{"SELECT count(*) FROM deliveries", func(scan func(...any) error) error { return scan(&c.Deliveries) }},
		{oldestDue, func(scan func(...any) error) error { return scan(&oldest) }},
	}
	for _, s := range steps {
		rows, err := db.read(ctx, s.query)
		if err := each(rows, err, s.row); err != nil {
			return c, fmt.Errorf("counting: %w", err)
		}
	}
	if oldest != nil {
		c.OldestDue = moment(*oldest)
	}
	return c, nil
}

// gather scans all rows.
func gather[T any](rows *sql.Rows, err error, scan func(func(...any) error) (T, error)) ([]T, error) {
	var out []T
	err = each(rows, err, func(s func(...any) error) error {
		v, err := scan(s)
		out = append(out, v)
		return err
	})
	return out, err
}
