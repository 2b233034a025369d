package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/webhook/alert"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
	"github.com/foreshock/foreshock/webhook/store"
)

func testQueries(t *testing.T, db *store.DB) {
	a, b, c, d := aCase("c1"), aCase("c2"), aCase("c3"), aCase("c4")
	b.State, b.Grade, b.UpdatedAt = cases.Resolved, policy.P0, at(10)
	c.Title, c.Cluster, c.UpdatedAt = "100% Disk_full", "test", at(20)
	d.Labels = alert.Labels{"service": "Checkout"}
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{a, b, c, d}}))
	for _, tc := range []struct {
		name string
		q    cases.Query
		want string
	}{
		{"all", cases.Query{}, "c4 c3 c2 c1 "},
		{"open", cases.Query{States: cases.OpenStates()}, "c4 c3 c1 "},
		{"grade", cases.Query{Grades: []policy.Grade{policy.P0, policy.P3}}, "c2 "},
		{"cluster", cases.Query{Cluster: "test"}, "c3 "},
		{"title", cases.Query{Text: "disk_FULL"}, "c3 "},
		{"percent is no wildcard", cases.Query{Text: "100% d"}, "c3 "},
		{"underscore is no wildcard", cases.Query{Text: "title_of"}, ""},
		{"label", cases.Query{Text: "checkout"}, "c4 "},
		{"since", cases.Query{Since: at(10)}, "c3 c2 "},
		{"until", cases.Query{Since: at(10), Until: at(20)}, "c2 "},
		{"page", cases.Query{Limit: 2}, "c4 c3 "},
		{"next page", cases.Query{Limit: 2, Before: "c3"}, "c2 c1 "},
	} {
		if got := ids(must[[]cases.Case](t)(db.Cases(ctx, tc.q))); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func testCounts(t *testing.T, db *store.DB) {
	empty := must[cases.Counts](t)(db.Counts(ctx))
	if len(empty.Cases) != len(cases.States()) || len(empty.Actions) != len(cases.ActionStates()) || len(empty.OpenGrades) != 4 || !empty.OldestDue.IsZero() {
		t.Errorf("empty: %+v", empty)
	}
	ok(t, db.Commit(ctx, change(t)))
	resolved := aCase("c2")
	resolved.State = cases.Resolved
	over := known(3, "c2")
	over.Status = alert.Resolved
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{resolved}, Alerts: []cases.Alert{over}}))
	want := cases.Counts{
		Cases:      map[cases.State]int{cases.New: 1, cases.Triage: 0, cases.InProgress: 0, cases.Pending: 0, cases.Resolved: 1, cases.Closed: 0},
		OpenGrades: map[policy.Grade]int{policy.P0: 0, policy.P1: 1, policy.P2: 0, policy.P3: 0},
		Actions:    map[cases.ActionState]int{cases.Due: 2, cases.Running: 0, cases.Retry: 0, cases.Unknown: 0, cases.Done: 0, cases.Dead: 0},
		Firing:     2, Deliveries: 1, OldestDue: at(0),
	}
	if d := cmp.Diff(want, must[cases.Counts](t)(db.Counts(ctx))); d != "" {
		t.Errorf("Counts (-want +got):\n%s", d)
	}
}

func testTrim(t *testing.T, db *store.DB) {
	ok(t, db.Commit(ctx, change(t)))
	young := alert.Delivery{ID: "d2", Received: at(100)}
	young.Raw, young.RawSize, young.RawCut = raw(t, "{}")
	old, waits := aCase("c2"), aCase("c3")
	old.State, old.ClosedAt, old.ResolvedAt = cases.Closed, at(5), at(4)
	waits.State, waits.ClosedAt = cases.Closed, at(5)
	ok(t, db.Commit(ctx, cases.Change{
		Delivery: &young, Cases: []cases.Case{old, waits}, Alerts: []cases.Alert{known(5, "c2")},
		Events: []cases.Event{{CaseID: "c2", At: at(0), Kind: cases.Noted}}, Actions: []cases.Action{anAction("a9", "log", "c3")},
	}))
	if n := must[int64](t)(db.Trim(ctx, store.Retention{})); n != 0 {
		t.Errorf("nothing asked, %d rows deleted", n)
	}
	must[int64](t)(db.Trim(ctx, store.Retention{Bodies: at(50)}))
	if _, _, err := db.Body(ctx, "d1"); !errors.Is(err, cases.ErrNotFound) {
		t.Errorf("old body: %v", err)
	}
	if _, _, err := db.Body(ctx, "d2"); err != nil {
		t.Errorf("young body: %v", err)
	}
	must[int64](t)(db.Trim(ctx, store.Retention{Bodies: at(50), Deliveries: at(50), Cases: at(50)}))
	if d := must[[]cases.DeliveryInfo](t)(db.Deliveries(ctx, "", 0)); len(d) != 1 || d[0].ID != "d2" {
		t.Errorf("deliveries %+v", d)
	}
	if o := must[[]cases.Observation](t)(db.Observations(ctx, identity(1), 0)); len(o) != 0 {
		t.Errorf("observations %+v", o)
	}
	// c1 is open, c3 still has something to do.
	if got := ids(must[[]cases.Case](t)(db.Cases(ctx, cases.Query{}))); got != "c3 c1 " {
		t.Errorf("cases %s, want c3 c1", got)
	}
	if p := must[cases.Prior](t)(db.Prior(ctx, []alert.Identity{identity(1), identity(5)}, nil)); len(p.Alerts) != 1 {
		t.Errorf("alerts %v", p.Alerts)
	}
}

// A case that is looked at every minute keeps its messages in view, and its reviews go by age while it is open.
func testReviews(t *testing.T, db *store.DB) {
	review := func(id string, state cases.ActionState, updated int) cases.Action {
		a := anAction(id, cases.InternalChannel, "c1")
		a.Kind, a.State, a.UpdatedAt = cases.Review, state, at(updated)
		return a
	}
	carryOut := func(channel string, now int) {
		a := claim(t, db, "h", channel, at(now), 1)[0]
		ok(t, db.Finish(ctx, cases.Result{Action: a, State: cases.Done, Outcome: cases.OutcomeSent, At: at(now)}))
	}
	ok(t, db.Commit(ctx, cases.Change{Cases: []cases.Case{aCase("c1")}, Actions: []cases.Action{anAction("a1", "log", "c1"), review("r0", cases.Due, 0)}}))
	carryOut("log", 1)
	carryOut(cases.InternalChannel, 2)
	many := make([]cases.Action, 0, 1100)
	for i := range 1100 {
		many = append(many, review(fmt.Sprintf("r1%04d", i), cases.Done, 3))
	}
	ok(t, db.Commit(ctx, cases.Change{Actions: append(many, review("r2", cases.Done, 60), review("r3", cases.Due, 0))}))
	look := func(when string) {
		t.Helper()
		s := must[cases.Story](t)(db.Story(ctx, "c1"))
		if names(s.Actions) != "a1 r3 " || len(s.Attempts) != 1 || s.Attempts[0].ActionID != "a1" {
			t.Errorf("%s: actions %s, attempts %+v: want the message and what waits", when, names(s.Actions), s.Attempts)
		}
	}
	look("before")
	if n := must[int64](t)(db.Trim(ctx, store.Retention{Reviews: at(50)})); n != 1102 { // 1101 reviews, and one attempt
		t.Errorf("%d rows are deleted", n)
	}
	look("after")
	if n := must[int64](t)(db.Trim(ctx, store.Retention{Reviews: at(61)})); n != 1 {
		t.Errorf("%d rows are deleted of the young one", n)
	}
}

func testReady(t *testing.T, db *store.DB) {
	ok(t, db.Ready(ctx))
	ok(t, db.Ready(ctx))
	ok(t, db.Close())
	for range 50 { // a write must not wait for a writer that has gone
		if err := db.Ready(ctx); err == nil {
			t.Error("a closed store says that it is ready")
		}
	}
	if err := db.Commit(ctx, change(t)); err == nil {
		t.Error("a closed store takes changes")
	}
}

func testReopen(t *testing.T, fresh Fresh) {
	url := fresh(t)
	db, err := store.Open(ctx, store.Options{URL: url})
	ok(t, err)
	ok(t, db.Commit(ctx, change(t)))
	claim(t, db, "h", "log", at(0), 1)
	ok(t, db.Close())
	db = Open(t, url)
	if s := must[cases.Story](t)(db.Story(ctx, "c1")); len(s.Events) != 2 || len(s.Actions) != 2 {
		t.Errorf("after opening again: %+v", s)
	}
	if got := must[[]cases.Action](t)(db.Reap(ctx, at(30))); names(got) != "a2 " {
		t.Errorf("reaped %s, want what ran before", names(got))
	}
}

// The schema goes down and up again; data of a version survives opening.
func testMigrations(t *testing.T, fresh Fresh) {
	url := fresh(t)
	// Several processes may start at once.
	errs := make(chan error)
	for range 3 {
		go func() {
			db, err := store.Open(context.Background(), store.Options{URL: url})
			if err == nil {
				err = db.Close()
			}
			errs <- err
		}()
	}
	for range 3 {
		if err := <-errs; err != nil && url[:8] == "postgres" {
			t.Errorf("opening at the same time: %v", err)
		}
	}
	ok(t, store.Migrate(ctx, store.Options{URL: url}, 0))
	db := Open(t, url)
	ok(t, db.Commit(ctx, change(t)))
}
